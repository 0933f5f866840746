package enclave_test

import (
	"strings"
	"testing"

	"github.com/libcape/libcape/core/wire"
)

func TestAFunctionThatWasTakenLeavesRoomForAnother(t *testing.T) {
	t.Parallel()
	e, _ := withService(t)
	code := encryptFor(t, capeKeys()[0], zipOf(t, "app.py", reverse))
	for range 9 { // none of which hangs up, and one user may have 8 under way
		if _, err := wire.DecodeDeployed(deploy(t, e, "ada", `{"message":{}}`, code)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnEnclaveThatKeepsNoFunctionsWaitsForNone(t *testing.T) {
	t.Parallel()
	if _, err := dialError(echoEnclave(t).Info(), "/v1/deploy", "cape.runtime", "any"); err == nil || !strings.Contains(err.Error(), "501") {
		t.Errorf("%v, want 501", err)
	}
}

func TestAFunctionIsNotDeployedUnderANameThatLeadsToAnother(t *testing.T) {
	t.Parallel()
	e, m := withService(t)
	for _, name := range []string{"echo", "local/echo"} {
		if answer := string(deploy(t, e, "local", `{"message":{"function_name":"`+name+`"}}`, zipOf(t, "app.py", reverse))); !strings.Contains(answer, "is taken") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	if len(m.kept()) != 0 {
		t.Error("it is kept")
	}
}
