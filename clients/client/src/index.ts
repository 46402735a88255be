export { Headwater, init } from "./headwater.js";
export type { AnyEvents, AutoTrackInput, Fields, Given, HeadwaterOptions, IdentifyUserInput, Metrics, NamedEvent } from "./types.js";
