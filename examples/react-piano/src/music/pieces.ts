/** The pieces: old tunes that belong to everybody. */

export interface PieceNote {
  /** MIDI number. */
  note: number;
  beats: number;
}

export interface Piece {
  id: string;
  title: string;
  from: string;
  level: number;
  bars: PieceNote[][];
}

const LETTERS: Record<string, number> = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, Bb: 10, B: 11 };

/** Read "E4 D4:2 | …": letter, octave, and beats if not one; `|` ends a bar. */
function bars(text: string): PieceNote[][] {
  return text.split("|").map((bar) =>
    bar
      .trim()
      .split(/\s+/)
      .map((word) => {
        const [, letter = "", octave, beats = "1"] = /^([A-G]b?)(\d)(?::([\d.]+))?$/.exec(word) ?? [];
        return { note: 12 * (Number(octave) + 1) + (LETTERS[letter] ?? NaN), beats: Number(beats) };
      }),
  );
}

export const PIECES: readonly Piece[] = [
  {
    id: "hot-cross-buns",
    title: "Hot Cross Buns",
    from: "a street cry of London",
    level: 1,
    bars: bars("E4 D4 C4:2 | E4 D4 C4:2 | C4:0.5 C4:0.5 C4:0.5 C4:0.5 D4:0.5 D4:0.5 D4:0.5 D4:0.5 | E4 D4 C4:2"),
  },
  {
    id: "ode-to-joy",
    title: "Ode to Joy",
    from: "Beethoven's Ninth",
    level: 2,
    bars: bars(
      "E4 E4 F4 G4 | G4 F4 E4 D4 | C4 C4 D4 E4 | E4:1.5 D4:0.5 D4:2 | E4 E4 F4 G4 | G4 F4 E4 D4 | C4 C4 D4 E4 | D4:1.5 C4:0.5 C4:2",
    ),
  },
  {
    id: "frere-jacques",
    title: "Frère Jacques",
    from: "a French round",
    level: 3,
    bars: bars(
      "F4 G4 A4 F4 | F4 G4 A4 F4 | A4 Bb4 C5:2 | A4 Bb4 C5:2 | C5:0.5 D5:0.5 C5:0.5 Bb4:0.5 A4 F4 | C5:0.5 D5:0.5 C5:0.5 Bb4:0.5 A4 F4 | F4 C4 F4:2 | F4 C4 F4:2",
    ),
  },
];
