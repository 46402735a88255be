/** The piece that is being played; records a PracticeEvent when it is finished. */

import { record } from "aws-amplify/analytics";
import { useRef, useState } from "react";

import { practiceEvent } from "../events";
import type { Piece } from "../music/pieces";
import { type Practice, begin, press } from "./practice";

export function usePractice(first: Piece): { practice: Practice; play: (note: number) => void; start: (piece: Piece) => void } {
  const [practice, setPractice] = useState(() => begin(first));
  const newest = useRef(practice); // two keys may come between two renders

  function become(now: Practice): void {
    newest.current = now;
    setPractice(now);
  }

  function play(note: number): void {
    const before = newest.current;
    const now = press(before, note, performance.now());
    become(now);
    if (!now.result || before.result) return;
    const { accuracy, tempo, durationS } = now.result;
    record(practiceEvent({ level: now.piece.level, piece_id: now.piece.id, accuracy, tempo, duration_s: durationS }));
  }

  return { practice, play, start: (piece) => become(begin(piece)) };
}
