/** The keys, for mouse, touch, pen, Tab and Enter; computer keys are heard on the whole page. */

import { type PointerEvent, useEffectEvent, useLayoutEffect, useRef, useState } from "react";

import { keepFocus } from "../focus";
import { isBlack, nameOf, spokenName } from "../music/notes";

// By place on the keyboard (`code`), so that it is the same row of keys in every layout.
const CODES = [
  ..."KeyA KeyW KeyS KeyE KeyD KeyF KeyT KeyG KeyY KeyH KeyU KeyJ KeyK KeyO KeyL KeyP Semicolon".split(" "),
] as const;
const LOWEST = 60;
const NOTES = CODES.map((_, index) => LOWEST + index);
const WHITES = NOTES.filter((note) => !isBlack(note));

/** Whether what is typed is meant for a field, a dialog or the browser. */
function isElsewhere(event: KeyboardEvent): boolean {
  const target = event.target instanceof Element ? event.target : null;
  return event.ctrlKey || event.metaKey || event.altKey || target?.closest("input, select, textarea, dialog") != null;
}

function label(code: string): string {
  return code === "Semicolon" ? ";" : code.replace("Key", "");
}

export function Keyboard({ hint, sounding, onPress }: { hint: number | null; sounding: number | null; onPress: (note: number) => void }) {
  const [down, setDown] = useState<ReadonlySet<number>>(new Set());
  const byPointer = useRef(new Map<number, number>()); // pointer -> the note it holds

  function hold(note: number): void {
    setDown((held) => new Set(held).add(note));
    onPress(note);
  }
  function release(note: number): void {
    setDown((held) => new Set([...held].filter((other) => other !== note)));
  }

  const onKeyDown = useEffectEvent((event: KeyboardEvent) => {
    const index = CODES.indexOf(event.code);
    if (index < 0 || event.repeat || isElsewhere(event)) return;
    hold(LOWEST + index);
  });
  const onKeyUp = useEffectEvent((event: KeyboardEvent) => {
    const index = CODES.indexOf(event.code);
    if (index >= 0) release(LOWEST + index);
  });
  const letGo = useEffectEvent(() => setDown(new Set())); // keys that come up in another window are not heard
  // Before the first paint: keys that are seen are heard.
  useLayoutEffect(() => {
    const [pressed, released, left] = [(event: KeyboardEvent) => onKeyDown(event), (event: KeyboardEvent) => onKeyUp(event), () => letGo()];
    window.addEventListener("keydown", pressed);
    window.addEventListener("keyup", released);
    window.addEventListener("blur", left);
    return () => {
      window.removeEventListener("keydown", pressed);
      window.removeEventListener("keyup", released);
      window.removeEventListener("blur", left);
    };
  }, []);

  /** A finger that slides plays the keys it crosses. */
  function follow(event: PointerEvent): void {
    const before = byPointer.current.get(event.pointerId);
    if (event.type === "pointermove" && before === undefined) return;
    const key = document.elementFromPoint(event.clientX, event.clientY)?.closest<HTMLElement>("[data-note]");
    const note = key ? Number(key.dataset["note"]) : undefined;
    if (note === before) return;
    if (before !== undefined) release(before);
    if (note === undefined) return;
    byPointer.current.set(event.pointerId, note);
    hold(note);
  }
  function lift(event: PointerEvent): void {
    const note = byPointer.current.get(event.pointerId);
    byPointer.current.delete(event.pointerId);
    if (note !== undefined) release(note);
  }

  return (
    <div className="piano">
      <div className="felt" />
      <div
        className="keys"
        role="group"
        aria-label="Piano keys"
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          (event.target as Element).releasePointerCapture?.(event.pointerId); // touch holds on to the first key otherwise
          follow(event);
        }}
        onMouseDown={keepFocus}
        onPointerMove={follow}
        onPointerUp={lift}
        onPointerCancel={lift}
        onPointerLeave={lift}
      >
        {NOTES.map((note, index) => {
          const black = isBlack(note);
          const whitesBefore = WHITES.filter((white) => white < note).length;
          const classes = ["key", black ? "black" : "white", (down.has(note) || sounding === note) && "down", hint === note && "hint"];
          return (
            <button
              key={note}
              type="button"
              className={classes.filter(Boolean).join(" ")}
              style={black ? { left: `${(whitesBefore / WHITES.length) * 100}%` } : undefined}
              data-note={note}
              aria-label={`${spokenName(note)}${note >= 72 ? ", high" : ""}, computer key ${label(CODES[index] ?? "")}${hint === note ? ", next" : ""}`}
              onClick={(event) => event.detail === 0 && onPress(note)} // Enter, Space, or a screen reader
            >
              {!black && <span className="name">{nameOf(note)}</span>}
              <kbd>{label(CODES[index] ?? "")}</kbd>
            </button>
          );
        })}
      </div>
    </div>
  );
}
