/** Sign up and sign in, in one dialog. */

import { type FormEvent, useEffect, useRef, useState } from "react";

import { type UserType, signIn, signUp } from "./account";
import type { Person } from "./session";

export type Purpose = "sign-up" | "sign-in";

interface Given {
  purpose: Purpose;
  onPurpose: (purpose: Purpose) => void;
  onSignedIn: (person: Person) => void;
  onClose: () => void;
}

export function AccountDialog({ purpose, onPurpose, onSignedIn, onClose }: Given) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [userType, setUserType] = useState<UserType>("student");
  const [said, setSaid] = useState<{ text: string; bad: boolean } | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => dialog.current?.showModal(), []);

  function turnTo(other: Purpose): void {
    setSaid(null);
    onPurpose(other);
  }

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      if (purpose === "sign-in") return onSignedIn(await signIn(email, password));
      await signUp(email, password, userType);
      onPurpose("sign-in");
      setSaid({ text: "Your account is made. Sign in to keep what you have played.", bad: false });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      setSaid({ text: `${text.charAt(0).toUpperCase()}${text.slice(1)}.`, bad: true });
    } finally {
      setBusy(false);
    }
  }

  const signingUp = purpose === "sign-up";
  return (
    <dialog ref={dialog} className="account" aria-labelledby="account-title" onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="account-title">{signingUp ? "Make an account" : "Sign in"}</h2>
        <p className={said?.bad ? "said bad" : "said"} role="status">
          {said?.text ?? (signingUp ? "The example keeps it on this machine. Any address will do." : "What you played as a guest becomes yours.")}
        </p>
        <label>
          E-mail
          <input type="email" name="email" autoComplete="username" required value={email} onChange={(event) => setEmail(event.target.value)} placeholder="ada@example.org" />
        </label>
        <label>
          Password
          <input
            type="password"
            name="password"
            autoComplete={signingUp ? "new-password" : "current-password"}
            required
            minLength={8}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            placeholder="at least 8 characters"
          />
        </label>
        {signingUp && (
          <fieldset>
            <legend>I am here to</legend>
            {(["student", "teacher"] as const).map((type) => (
              <label key={type}>
                <input type="radio" name="user-type" checked={userType === type} onChange={() => setUserType(type)} />
                <span>{type === "student" ? "learn" : "teach"}</span>
              </label>
            ))}
          </fieldset>
        )}
        <button type="submit" className="primary" disabled={busy}>
          {signingUp ? "Make account" : "Sign in"}
        </button>
        <button type="button" className="link" onClick={() => turnTo(signingUp ? "sign-in" : "sign-up")}>
          {signingUp ? "I have an account" : "I have no account yet"}
        </button>
      </form>
      <button type="button" className="close" aria-label="Close" onClick={onClose}>
        ×
      </button>
    </dialog>
  );
}
