// An app with Amplify v6, as its documentation says to write it. Nothing here knows of Headwater.
import { Amplify } from "aws-amplify";
import { configureAutoTrack, flushEvents, identifyUser, record } from "aws-amplify/analytics";
import { flushEvents as flushKinesis, record as recordKinesis } from "aws-amplify/analytics/kinesis";

const { appId, identityPoolId, region = "us-west-2", flushInterval = 300 } = globalThis.ids;
Amplify.configure({
  Auth: { Cognito: { identityPoolId, allowGuestAccess: true } },
  Analytics: {
    Pinpoint: { appId, region, flushInterval },
    Kinesis: { region, flushInterval },
  },
});
globalThis.app = { record, flushEvents, identifyUser, configureAutoTrack, recordKinesis, flushKinesis };
