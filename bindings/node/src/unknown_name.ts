/** Whether a text is a name that a program would write for an option or a keyword argument; other names may be content. */
export function isName(text: unknown): text is string {
  return typeof text === "string" && /^[A-Za-z_$][\w$]{0,39}$/.test(text);
}

/** What to call an unknown name among given ones in an error: itself where it is a name, otherwise its place among them. */
export function unknownName(name: string, given: object): string {
  return isName(name) ? JSON.stringify(name) : `like number ${Object.keys(given).indexOf(name) + 1} of those given`;
}
