/** Who is signed in: the id token of an OpenID Connect issuer, as Amplify's `tokenProvider` wants it. */

import { decodeJWT, type TokenProvider } from "aws-amplify/auth";

/** A person, as the issuer's token says. */
export interface Person {
  id: string;
  email: string;
  userType: "student" | "teacher" | null;
}

const STORED_AS = `piano.id-token.${import.meta.env.VITE_IDENTITY_POOL_ID}`;

/** Return the id token, null if there is none or its time is over. */
function idToken(): string | null {
  const token = localStorage.getItem(STORED_AS);
  if (!token) return null;
  return (decodeJWT(token).payload.exp ?? 0) * 1000 > Date.now() ? token : null;
}

/** What `Amplify.configure` is given: null makes people guests. */
export const tokenProvider: TokenProvider = {
  async getTokens() {
    const token = idToken();
    if (!token) return null;
    const jwt = decodeJWT(token);
    return { idToken: jwt, accessToken: jwt }; // the type wants both; an identity pool reads the id token only
  },
};

export function currentPerson(): Person | null {
  const token = idToken();
  if (!token) return null;
  const { sub, email, user_type } = decodeJWT(token).payload;
  return { id: String(sub), email: String(email), userType: user_type === "student" || user_type === "teacher" ? user_type : null };
}

export function keepToken(token: string | null): void {
  if (token) localStorage.setItem(STORED_AS, token);
  else localStorage.removeItem(STORED_AS);
}
