package suite

import "testing"

// The race detector works in a library that is linked into the program, though not in a shared one.
// Position-independent programs it does not take.
func TestRaceDetectorFindsNothing(t *testing.T) {
	soak(t)
	i := instrument{
		link:        append(archive(t, nil, "-race", overlay(t, "defects.go", defectiveGo)), "-no-pie"),
		environment: []string{"GORACE=halt_on_error=1 exitcode=66"},
		except:      leftOut(everywhere, mallocs, loaders),
	}
	i.finds(t, map[string]string{"1": "WARNING: DATA RACE"})
	i.watch(t)
}

// The compiler's checks of unsafe.Pointer, and the run-time's that no Go pointer is left in C
// memory.
func TestPointerChecksFindNothing(t *testing.T) {
	soak(t)
	i := instrument{
		link: shared(t, []string{"GOEXPERIMENT=cgocheck2"}, "-gcflags=all=-d=checkptr",
			overlay(t, "defects.go", defectiveGo)),
		except: everywhere,
	}
	i.finds(t, map[string]string{
		"2": "checkptr: unsafe.Slice result straddles multiple allocations",
		"3": "unpinned Go pointer stored into non-Go memory",
	})
	i.watch(t)
}
