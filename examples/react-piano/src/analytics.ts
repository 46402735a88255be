/** Amplify, configured as for AWS. Nothing here knows of Headwater: the script tag in index.html is all that changes. */

import { Amplify } from "aws-amplify";
import { fetchAuthSession } from "aws-amplify/auth";
import { cognitoCredentialsProvider } from "aws-amplify/auth/cognito";

import { tokenProvider } from "./account/session";

const { VITE_APP_ID: appId, VITE_IDENTITY_POOL_ID: identityPoolId, VITE_REGION: region } = import.meta.env;

Amplify.configure(
  {
    Auth: { Cognito: { identityPoolId, allowGuestAccess: true } },
    Analytics: { Pinpoint: { appId, region, flushInterval: 1000 } }, // 5000 ms unless said; here the strip should be quick
  },
  // Our own issuer's id tokens. An app with a Cognito user pool leaves this out: Amplify then brings the pool's tokens.
  { Auth: { tokenProvider, credentialsProvider: cognitoCredentialsProvider } },
);

// Ask once who we are before the first event: two events at once would ask twice, and a guest would be two guests.
void fetchAuthSession().catch((error: unknown) => console.warn("no identity yet, the first event asks again", error));
