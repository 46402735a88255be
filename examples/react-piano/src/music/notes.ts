/** Notes by their MIDI number: 60 is the C in the middle, one more is a half-tone higher. */

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B"] as const;
const STEPS = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6] as const; // how many letters above C each is written

/** "B♭" for 70, in every octave. */
export function nameOf(note: number): string {
  return NAMES[note % 12] ?? "";
}

/** As it is said: "B flat". */
export function spokenName(note: number): string {
  return nameOf(note).replace("♯", " sharp").replace("♭", " flat");
}

export function isBlack(note: number): boolean {
  return nameOf(note).length > 1;
}

/** Lines and spaces above middle C on a staff. */
export function staffStep(note: number): number {
  return (Math.floor(note / 12) - 5) * 7 + (STEPS[note % 12] ?? 0);
}
