// Written by `headwater types --typescript` from events.py: change the classes there and run it again, not this file.

export interface HeadwaterEvents {
  /** Somebody made an account. */
  SignUpEvent: {
    /** E-mail address. */
    email: string;
  };

  /** Somebody signed in. */
  SignInEvent: {
    /** E-mail address. */
    email: string;
    id: string;
    is_test_user: boolean;
    user_type: "student" | "teacher" | null;
  };

  /** A pupil has played one piece once. */
  PracticeEvent: {
    /** A whole number; >= 1. */
    level: number;
    piece_id: string;
    /** >= 0; <= 1. */
    accuracy: number;
    tempo?: number | null;
    /** >= 0. */
    duration_s: number;
  };
}

/** The name of an event. */
export type HeadwaterEventName = keyof HeadwaterEvents;

/** An event as Amplify's `record` takes it (in v5 `Analytics.record`). */
export interface AmplifyEvent<Name extends HeadwaterEventName = HeadwaterEventName> {
  name: Name;
  attributes?: Record<string, string>;
  metrics?: Record<string, number>;
  immediate?: boolean;
}

/** Numbers become metrics, the rest attributes: text as it is, anything else as JSON text; null becomes "null", undefined is left out. */
function amplifyEvent<Name extends HeadwaterEventName>(name: Name, fields: object): AmplifyEvent<Name> {
  const attributes: Record<string, string> = {};
  const metrics: Record<string, number> = {};
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value === "number") metrics[key] = value;
    else if (value !== undefined) attributes[key] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const event: AmplifyEvent<Name> = { name };
  if (Object.keys(attributes).length > 0) event.attributes = attributes;
  if (Object.keys(metrics).length > 0) event.metrics = metrics;
  return event;
}

/** Somebody made an account. */
export function signUpEvent(fields: HeadwaterEvents["SignUpEvent"]): AmplifyEvent<"SignUpEvent"> {
  return amplifyEvent("SignUpEvent", fields);
}

/** Somebody signed in. */
export function signInEvent(fields: HeadwaterEvents["SignInEvent"]): AmplifyEvent<"SignInEvent"> {
  return amplifyEvent("SignInEvent", fields);
}

/** A pupil has played one piece once. */
export function practiceEvent(fields: HeadwaterEvents["PracticeEvent"]): AmplifyEvent<"PracticeEvent"> {
  return amplifyEvent("PracticeEvent", fields);
}
