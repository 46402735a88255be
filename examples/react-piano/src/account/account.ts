/** Sign-up, sign-in and sign-out, each with its event. */

import { identifyUser, record } from "aws-amplify/analytics";
import { cognitoCredentialsProvider } from "aws-amplify/auth/cognito";

import { signInEvent, signUpEvent } from "../events";
import { type Person, currentPerson, keepToken } from "./session";

export type UserType = Person["userType"];

/** Make an account; throws an `Error` with a message for people. The event is a guest's: nobody has signed in yet. */
export async function signUp(email: string, password: string, userType: UserType): Promise<void> {
  await ask("sign-up", { email, password, user_type: userType });
  record(signUpEvent({ email }));
}

/** Sign in; throws an `Error` with a message for people. From here on events carry the person's identity. */
export async function signIn(email: string, password: string): Promise<Person> {
  const { id_token } = await ask("sign-in", { email, password });
  keepToken(String(id_token));
  const person = currentPerson();
  if (!person) throw new Error("the issuer's token is over already: is this machine's clock right?");
  tellAnalytics(person).catch((error: unknown) => console.warn("the sign-in was not recorded", error));
  return person;
}

/** Sign out: who uses the page now is a guest again, with an identity of their own. */
export function signOut(): void {
  keepToken(null);
  cognitoCredentialsProvider.clearCredentialsAndIdentityId();
}

async function tellAnalytics({ id, email, userType }: Person): Promise<void> {
  await identifyUser({ userId: id, userProfile: { email, customProperties: { user_type: [userType ?? "unknown"] } } });
  record(signInEvent({ id, email, is_test_user: /@example\.(com|net|org)$/.test(email), user_type: userType }));
}

async function ask(what: "sign-up" | "sign-in", body: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${import.meta.env.VITE_ISSUER_URL}/${what}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new Error("the issuer cannot be reached");
  });
  const said = (await answer.json()) as Record<string, unknown>;
  if (!answer.ok) throw new Error(String(said["message"]));
  return said;
}
