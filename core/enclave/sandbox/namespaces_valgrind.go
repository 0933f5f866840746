//go:build valgrind

package sandbox

// Namespaces is false in a build that valgrind follows: a copy of valgrind is the first process of
// the namespace until the interpreter starts, and ends in one.
const Namespaces = false
