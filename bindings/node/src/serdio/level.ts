const MAX_INNER = 511;
const MAX_TOTAL = 1024;

/**
 * How many arrays and maps stand around a value: in its own payload (the message, or that of an
 * extension), and in all.
 */
export interface Level {
  readonly inner: number;
  readonly total: number;
}

/** That of a message. */
export const outermost: Level = { inner: 0, total: 0 };

/** The level inside an array or map that stands at level. Refuses with what tooDeep makes beyond 511, or 1024 in all. */
export function within(level: Level, tooDeep: () => Error): Level {
  if (level.inner >= MAX_INNER || level.total >= MAX_TOTAL) {
    throw tooDeep();
  }
  return { inner: level.inner + 1, total: level.total + 1 };
}

/** The level inside an extension that stands at level. */
export function payload(level: Level): Level {
  return { inner: 0, total: level.total };
}
