package suite

import "testing"

func TestOperationsAndQueuesRefuseMisuse(t *testing.T) { smoke(t, "tests/c/misuse_operations.c") }
func TestManyOperationsReachTheirEnds(t *testing.T)    { smoke(t, "tests/c/operations.c") }
