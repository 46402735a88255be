/** The mouse leaves the focus where it is: who clicks and then plays by computer keys sees no ring around what was clicked last. */
export function keepFocus(event: { preventDefault(): void }): void {
  event.preventDefault();
}
