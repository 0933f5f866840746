package transport

// Spawn runs a function on a goroutine of its own. A panic there would end the whole process,
// which may be a host that only links the library, so it is recovered and its value passed to
// panicked, which may be nil. Goroutines of this module start here; the test of its layout lists
// the few that do not, such as core/attest's, and argues for each.
func Spawn(run func(), panicked func(value any)) {
	go func() {
		defer func() {
			if value := recover(); value != nil && panicked != nil {
				panicked(value)
			}
		}()
		run()
	}()
}
