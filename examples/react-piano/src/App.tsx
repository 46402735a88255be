/** The page: a piece to play, the piano, who is here, and what was sent. */

import { useState } from "react";

import { AccountDialog, type Purpose } from "./account/AccountDialog";
import { signOut } from "./account/account";
import { currentPerson } from "./account/session";
import { keepFocus } from "./focus";
import { spokenName } from "./music/notes";
import { PIECES, type Piece } from "./music/pieces";
import { strike } from "./music/sound";
import { Keyboard } from "./practice/Keyboard";
import { Score } from "./practice/Score";
import { PASS, type Practice, type Result } from "./practice/practice";
import { useListen } from "./practice/useListen";
import { usePractice } from "./practice/usePractice";
import { SentStrip } from "./sent/SentStrip";

const FIRST = PIECES[1]!;

export function App() {
  const [person, setPerson] = useState(currentPerson);
  const [asking, setAsking] = useState<Purpose | null>(null);
  const { practice, play, start } = usePractice(FIRST);
  const { sounding, listening, listen, hush } = useListen();
  const { piece, next, result } = practice;
  const expected = piece.bars.flat()[next]?.note ?? null;

  function pressed(note: number): void {
    if (listening) hush();
    strike(note);
    play(note);
  }

  function choose(other: Piece): void {
    hush();
    start(other);
  }

  return (
    <>
      <header className="top">
        <h1>
          <img src="/favicon.svg" alt="" width="34" height="34" /> Little Piano
        </h1>
        <div className="who">
          {person ? (
            <>
              <span className="name">{person.email}</span>
              <button type="button" onClick={() => (signOut(), setPerson(null))}>
                Sign out
              </button>
            </>
          ) : (
            <>
              <span className="guest">Guest</span>
              <button type="button" onClick={() => setAsking("sign-in")}>
                Sign in
              </button>
              <button type="button" className="primary" onClick={() => setAsking("sign-up")}>
                Sign up
              </button>
            </>
          )}
        </div>
      </header>

      <main>
        <div className="pieces" role="group" aria-label="Pieces" onMouseDown={keepFocus}>
          {PIECES.map((other) => (
            <button key={other.id} type="button" aria-pressed={other === piece} onClick={() => choose(other)}>
              <small>Level {other.level}</small>
              <b>{other.title}</b>
              <span>{other.from}</span>
            </button>
          ))}
        </div>

        <section className="stand" aria-label={piece.title}>
          <Score practice={practice} />
          <div className="prompt">
            <p role="status" aria-live="polite">
              {result ? <Finished result={result} /> : <Next practice={practice} />}
            </p>
            <div onMouseDown={keepFocus}>
              <button type="button" onClick={() => (listening ? hush() : listen(piece))}>
                {listening ? "Stop" : "Listen"}
              </button>
              <button type="button" className={result ? "primary" : undefined} onClick={() => choose(piece)} disabled={next === 0 && practice.missed.size === 0}>
                {result ? "Play again" : "Start over"}
              </button>
            </div>
          </div>
        </section>

        <Keyboard hint={listening ? null : expected} sounding={sounding} onPress={pressed} />
        <SentStrip />
      </main>

      {asking && (
        <AccountDialog
          purpose={asking}
          onPurpose={setAsking}
          onClose={() => setAsking(null)}
          onSignedIn={(who) => {
            setPerson(who);
            setAsking(null);
          }}
        />
      )}
    </>
  );
}

function Next({ practice: { piece, next, missed } }: { practice: Practice }) {
  const note = piece.bars.flat()[next]?.note ?? 0;
  if (missed.has(next)) {
    return (
      <>
        Not quite: look for <b>{spokenName(note)}</b>.
      </>
    );
  }
  if (next === 0) {
    return (
      <>
        Begin with <b>{spokenName(note)}</b>, the key that glows.
      </>
    );
  }
  return (
    <>
      Next: <b>{spokenName(note)}</b>
    </>
  );
}

function Finished({ result: { accuracy, tempo, durationS } }: { result: Result }) {
  return (
    <>
      <b className={accuracy >= PASS ? "verdict" : "verdict not-yet"}>{accuracy >= PASS ? "Passed!" : "Nearly there."}</b>
      <span className="figures">
        <span>{(accuracy * 100).toFixed(accuracy === 1 ? 0 : 1)} % right</span>
        {tempo !== null && <span>{Math.round(tempo)} bpm</span>}
        <span>{durationS.toFixed(1)} s</span>
      </span>
    </>
  );
}
