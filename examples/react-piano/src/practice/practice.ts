/** One play-through of a piece: which note is next, which were missed, and what came of it. */

import type { Piece } from "../music/pieces";

export interface Result {
  /** Share of the notes that were right at the first try, 0 to 1. */
  accuracy: number;
  /** Beats per minute; null if the piece was over in no time. */
  tempo: number | null;
  /** Seconds from the first note to the last. */
  durationS: number;
}

export interface Practice {
  piece: Piece;
  /** Index of the next note, over all bars. */
  next: number;
  /** Indexes of notes for which another key was pressed first. */
  missed: ReadonlySet<number>;
  startedAtMs: number | null;
  result: Result | null;
}

/** A line of music is passed at this accuracy. */
export const PASS = 0.95;

export function begin(piece: Piece): Practice {
  return { piece, next: 0, missed: new Set(), startedAtMs: null, result: null };
}

/** Return what a press of *note* makes of it. The piece waits until the right key comes; after its end nothing changes. */
export function press(practice: Practice, note: number, atMs: number): Practice {
  const notes = practice.piece.bars.flat();
  if (practice.result) return practice;
  if (notes[practice.next]?.note !== note) return { ...practice, missed: new Set(practice.missed).add(practice.next) };
  const startedAtMs = practice.startedAtMs ?? atMs;
  const next = practice.next + 1;
  const result = next < notes.length ? null : judge(practice, (atMs - startedAtMs) / 1000);
  return { ...practice, next, startedAtMs, result };
}

function judge({ piece, missed }: Practice, seconds: number): Result {
  const notes = piece.bars.flat();
  const beats = notes.slice(0, -1).reduce((sum, note) => sum + note.beats, 0); // the last note's own length is not waited for
  return {
    accuracy: rounded(1 - missed.size / notes.length, 4),
    tempo: seconds > 0 ? rounded((beats / seconds) * 60, 1) : null,
    durationS: rounded(seconds, 2),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
