package enclave

// Withhold has parts of the sandbox left out, as if the kernel did not grant them.
func (o *Options) Withhold(layers ...string) { o.withheld = layers }
