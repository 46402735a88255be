/** Plays a piece to the student, a note at a time. */

import { useEffect, useRef, useState } from "react";

import type { Piece } from "../music/pieces";
import { strike } from "../music/sound";

const BEAT_MS = 560;

export function useListen(): { sounding: number | null; listening: boolean; listen: (piece: Piece) => void; hush: () => void } {
  const [sounding, setSounding] = useState<number | null>(null);
  const [listening, setListening] = useState(false);
  const timer = useRef(0);

  function hush(): void {
    clearTimeout(timer.current);
    setSounding(null);
    setListening(false);
  }

  function listen(piece: Piece): void {
    const notes = piece.bars.flat();
    setListening(true);
    const playFrom = (index: number): void => {
      const now = notes[index];
      if (!now) return hush();
      strike(now.note);
      setSounding(now.note);
      timer.current = window.setTimeout(() => {
        setSounding(null); // a moment between two notes, so that a repeated one is seen twice
        timer.current = window.setTimeout(() => playFrom(index + 1), 60);
      }, now.beats * BEAT_MS - 60);
    };
    playFrom(0);
  }

  useEffect(() => () => clearTimeout(timer.current), []);
  return { sounding, listening, listen, hush };
}
