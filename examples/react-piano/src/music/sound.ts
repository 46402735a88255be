/** A struck string by WebAudio: a few partials that fade, the higher the sooner. */

const PARTIALS = [1, 0.42, 0.2, 0.1, 0.05];
const LONGEST_S = 2.4;

let audio: { context: AudioContext; out: AudioNode } | undefined;

/** Sound a note. Browsers allow it from the first press of a key or button on. */
export function strike(note: number): void {
  audio ??= open();
  const { context, out } = audio;
  void context.resume();
  const frequency = 440 * 2 ** ((note - 69) / 12);
  const now = context.currentTime;
  PARTIALS.forEach((loudness, index) => {
    const wave = new OscillatorNode(context, { frequency: frequency * (index + 1) * (1 + 0.0004 * index * index) });
    const fading = new GainNode(context, { gain: 0 });
    const lasts = LONGEST_S / (1 + 0.7 * index);
    fading.gain.linearRampToValueAtTime(0.22 * loudness, now + 0.006);
    fading.gain.exponentialRampToValueAtTime(0.0001, now + lasts);
    wave.connect(fading).connect(out);
    wave.start(now);
    wave.stop(now + lasts);
  });
}

function open(): { context: AudioContext; out: AudioNode } {
  const context = new AudioContext({ latencyHint: "interactive" });
  const out = new DynamicsCompressorNode(context, { threshold: -18, ratio: 6 }); // chords must not crackle
  out.connect(context.destination);
  return { context, out };
}
