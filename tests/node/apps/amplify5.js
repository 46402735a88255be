// An app with Amplify v5, in the configuration form of its time. Nothing here knows of Headwater.
import { Analytics, Auth } from "amplify5";

const { appId, identityPoolId, region = "us-west-2", flushInterval = 300 } = globalThis.ids;
Auth.configure({ identityPoolId, region, identityPoolRegion: region });
Analytics.configure({ AWSPinpoint: { appId, region, flushInterval } });
globalThis.app = {
  record: (event) => Analytics.record(event),
  autoTrack: (type, options) => Analytics.autoTrack(type, options),
};
