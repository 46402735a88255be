/** The piece on a staff, a bar a drawing, so that bars wrap as the page gets narrow. */

import { nameOf, staffStep } from "../music/notes";
import type { PieceNote } from "../music/pieces";
import type { Practice } from "./practice";

const GAP = 12; // between two lines
const BOTTOM = 68; // y of the lowest line, on which E is
const STEM = 32;
const PAD = 20;
const WIDTH = 204;
const HEIGHT = 96;

/** The room a note takes: a longer one more, but not in proportion, so that short ones have enough. */
const room = (beats: number): number => 0.5 + beats / 2;

type State = "coming" | "next" | "right" | "missed";

export function Score({ practice }: { practice: Practice }) {
  const { piece, next, missed } = practice;
  let index = 0;
  return (
    <div className="score" role="img" aria-label={`${piece.title}: ${next} of ${piece.bars.flat().length} notes played`}>
      {piece.bars.map((bar, number) => {
        const scale = (WIDTH - PAD) / bar.reduce((sum, { beats }) => sum + room(beats), 0);
        let x = PAD;
        return (
          <svg key={number} className="bar" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
            {[0, 1, 2, 3, 4].map((line) => (
              <line key={line} className="staff" x1={0} x2={WIDTH} y1={BOTTOM - line * GAP} y2={BOTTOM - line * GAP} />
            ))}
            <line className="staff" x1={WIDTH - 0.5} x2={WIDTH - 0.5} y1={BOTTOM - 4 * GAP} y2={BOTTOM} />
            {number === piece.bars.length - 1 && <rect className="end" x={WIDTH - 5} width={5} y={BOTTOM - 4 * GAP} height={4 * GAP} />}
            {bar.map((note) => {
              const at = index++;
              const left = x;
              x += room(note.beats) * scale;
              const state: State = at === next ? "next" : at > next ? "coming" : missed.has(at) ? "missed" : "right";
              return <Note key={at} note={note} x={left} state={state} missed={missed.has(at)} />;
            })}
          </svg>
        );
      })}
    </div>
  );
}

function Note({ note: { note, beats }, x, state, missed }: { note: PieceNote; x: number; state: State; missed: boolean }) {
  const step = staffStep(note) - 2; // above the lowest line
  const y = BOTTOM - (step * GAP) / 2;
  const up = step < 4;
  const stemX = up ? x + 8.2 : x - 8.2;
  const tip = up ? y - STEM : y + STEM;
  const name = nameOf(note);
  return (
    <g className={`note ${state}`}>
      {step <= -2 && <line className="ledger" x1={x - 14} x2={x + 14} y1={y} y2={y} />}
      {state === "next" && <circle className="halo" cx={x} cy={y} r={15} />}
      <line className="stem" x1={stemX} x2={stemX} y1={y} y2={tip} />
      {beats < 1 && <path className="flag" d={up ? `M${stemX} ${tip} q2 8 7 11 q4 4 1 11` : `M${stemX} ${tip} q2 -8 7 -11 q4 -4 1 -11`} />}
      <ellipse className={beats >= 2 ? "head open" : "head"} cx={x} cy={y} rx={9} ry={6.8} transform={`rotate(-14 ${x} ${y})`} />
      <text className="letter" x={x} y={y + 3.2}>
        {name[0]}
      </text>
      {name.length > 1 && (
        <text className="accidental" x={x - 14} y={y + 4}>
          {name[1]}
        </text>
      )}
      {beats === 1.5 && <circle className="dot" cx={x + 14} cy={y - 3} r={2} />}
      {missed && state !== "coming" && <path className="cross" d={`M${x - 3} ${BOTTOM + 18} l6 6 m0 -6 l-6 6`} />}
    </g>
  );
}
