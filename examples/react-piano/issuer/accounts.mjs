// FOR THE EXAMPLE ONLY. Accounts in one file, passwords hashed with scrypt. No e-mail is ever sent, nobody is asked to confirm anything.

import { randomBytes, randomUUID, scrypt, timingSafeEqual } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const hash = promisify(scrypt);

/** Somebody asked for what cannot be; `status` is the HTTP answer. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Accounts {
  #path;
  #byEmail;

  static async open(folder) {
    const accounts = new Accounts();
    accounts.#path = join(folder, "accounts.json");
    const text = await readFile(accounts.#path, "utf8").catch((error) => {
      if (error.code !== "ENOENT") throw error;
      return "[]";
    });
    accounts.#byEmail = new Map(JSON.parse(text).map((account) => [account.email, account]));
    return accounts;
  }

  /** Make an account; 400 for what is not an account, 409 if there is one. */
  async signUp({ email, password, user_type = null }) {
    const name = normal(email);
    if (typeof password !== "string" || password.length < 8) throw new Refused(400, "a password has at least 8 characters");
    if (![null, "student", "teacher"].includes(user_type)) throw new Refused(400, "user_type is student, teacher or null");
    const salt = randomBytes(16);
    const made = { sub: randomUUID(), email: name, user_type, salt: salt.toString("hex"), hash: (await hash(password, salt, 32)).toString("hex") };
    if (this.#byEmail.has(name)) throw new Refused(409, "there is an account with this e-mail address; sign in instead");
    this.#byEmail.set(name, made);
    await this.#save();
  }

  /** Return the claims of a person who knows the password; 401 for everybody else. */
  async signIn({ email, password }) {
    const account = this.#byEmail.get(normal(email));
    const salt = Buffer.from(account?.salt ?? "", "hex");
    const given = await hash(String(password), salt, 32);
    if (!account || !timingSafeEqual(given, Buffer.from(account.hash, "hex"))) throw new Refused(401, "no account has this e-mail address and password");
    const { sub, user_type } = account;
    return { sub, email: account.email, user_type };
  }

  async #save() {
    const fresh = `${this.#path}.${randomUUID()}`;
    await writeFile(fresh, JSON.stringify([...this.#byEmail.values()], null, 1), { mode: 0o600 });
    await rename(fresh, this.#path);
  }
}

function normal(email) {
  if (typeof email !== "string" || email.length > 254 || !/^[^\s@]+@[^\s@]+$/.test(email.trim())) throw new Refused(400, "that is not an e-mail address");
  return email.trim().toLowerCase();
}
