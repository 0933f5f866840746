package attest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"
)

var places = []string{"root", "regional", "zonal", "instance", "leaf"}

// ownRoot makes a chain whose root is another than the trusted one, though of the same name.
func ownRoot(plans []*certPlan) {
	plans[root].key = p384Key("another root")
}

// extension is one that is critical and, unless its content matters, empty.
func extension(critical bool, content []byte, oid ...int) pkix.Extension {
	return pkix.Extension{Id: asn1.ObjectIdentifier(oid), Critical: critical, Value: content}
}

// chainForgeries are documents, correctly signed by their leaf, whose chain does not make the leaf
// an enclave's.
func chainForgeries() []forgery {
	change := func(place int, how func(*x509.Certificate)) func([]*certPlan) {
		return func(plans []*certPlan) { how(&plans[place].template) }
	}
	swap := func(i, j int) func([][]byte) [][]byte {
		return func(ders [][]byte) [][]byte {
			ders[i], ders[j] = ders[j], ders[i]
			return ders
		}
	}
	without := func(place int) func([][]byte) [][]byte {
		return func(ders [][]byte) [][]byte { return slices.Delete(ders, place, place+1) }
	}
	with := func(at, place int) func([][]byte) [][]byte {
		return func(ders [][]byte) [][]byte { return slices.Insert(ders, at, ders[place]) }
	}
	signedByStranger := func(place int) func([]*certPlan) {
		return func(plans []*certPlan) { plans[place].issuerKey = foreignKey() }
	}
	add := func(extensions ...pkix.Extension) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, extensions...) }
	}
	algorithm := func(place int, algorithm x509.SignatureAlgorithm) func([]*certPlan) {
		return change(place, func(c *x509.Certificate) { c.SignatureAlgorithm = algorithm })
	}
	forgeries := []forgery{
		{name: "root-foreign", why: "a whole chain of its own, its root in the cabundle", reason: "chain.root", plan: ownRoot},
		{name: "root-same-key", why: "a root certificate with the trusted root's key and name, but another serial number", reason: "chain.root",
			plan: change(root, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(99) })},
		{name: "root-absent", why: "a cabundle without the root", reason: "chain.root", bundle: without(root)},
		{name: "root-garbage", why: "a first entry that is no certificate", reason: "chain.root",
			bundle: func(ders [][]byte) [][]byte { ders[root] = []byte("root"); return ders }},
		{name: "bundle-reversed", why: "issuer first and root last", reason: "chain.order",
			bundle: func(ders [][]byte) [][]byte { slices.Reverse(ders[:leaf]); return ders }},
		{name: "bundle-swapped", why: "regional and zonal certificate swapped", reason: "chain.order", bundle: swap(regional, zonal)},
		{name: "root-second", why: "another certificate before the root", reason: "chain.order", bundle: swap(root, regional)},
		{name: "root-twice", why: "the root twice", reason: "chain.order", bundle: with(1, root)},
		{name: "root-last-too", why: "the root once more at the end", reason: "chain.order", bundle: with(leaf, root)},
		{name: "bundle-leaf", why: "the leaf in the cabundle as well", reason: "chain.order", bundle: with(leaf, leaf)},
		{name: "bundle-root-alone", why: "a cabundle of the root alone, which did not issue the leaf", reason: "chain.order",
			bundle: func(ders [][]byte) [][]byte { return slices.Delete(ders, regional, leaf) }},
		{name: "regional-absent", why: "no regional certificate", reason: "chain.order", bundle: without(regional)},
		{name: "zonal-absent", why: "no zonal certificate", reason: "chain.order", bundle: without(zonal)},
		{name: "instance-absent", why: "no certificate of the instance", reason: "chain.order", bundle: without(instance)},
		{name: "zonal-garbage", why: "the zonal certificate is no DER", reason: "chain.certificate",
			bundle: func(ders [][]byte) [][]byte { ders[zonal] = make([]byte, 400); return ders }},
		{name: "zonal-trailing", why: "a byte after the zonal certificate's DER", reason: "chain.certificate",
			bundle: func(ders [][]byte) [][]byte { ders[zonal] = append(slices.Clone(ders[zonal]), 0); return ders }},
		{name: "leaf-issued-by-regional", why: "the leaf names an issuer further up", reason: "chain.order",
			plan: func(plans []*certPlan) { plans[leaf].issuer = &plans[regional].template }},
		{name: "chain-foreign-below-root", why: "the trusted root above a chain of the same names that another root issued", reason: "chain.signature",
			plan:   ownRoot,
			bundle: func(ders [][]byte) [][]byte { ders[root] = plainChain()[root]; return ders }},
		{name: "regional-flipped", why: "a bit of the regional certificate's signature is flipped", reason: "chain.signature",
			bundle: func(ders [][]byte) [][]byte {
				ders[regional] = slices.Clone(ders[regional])
				ders[regional][len(ders[regional])-1] ^= 1
				return ders
			}},
		{name: "regional-not-v3", why: "the regional certificate is of version 2, with extensions", reason: "chain.certificate",
			plan: func(plans []*certPlan) { plans[regional].mutate = setVersion(1) }},

		{name: "leaf-ca", why: "the leaf is a CA", reason: "chain.leaf_is_ca",
			plan: change(leaf, func(c *x509.Certificate) { c.IsCA = true })},
		{name: "leaf-no-digital-signature", why: "the leaf may not sign", reason: "chain.key_usage",
			plan: change(leaf, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageContentCommitment })},
		{name: "leaf-no-key-usage", why: "the leaf states no key usage", reason: "chain.key_usage",
			plan: change(leaf, func(c *x509.Certificate) { c.KeyUsage = 0 })},
		{name: "leaf-cert-sign", why: "the leaf may sign certificates", reason: "chain.key_usage",
			plan: change(leaf, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign })},
		{name: "leaf-issues-leaf", why: "the leaf issued another leaf, which signed", reason: "chain.not_ca",
			draft: leafIssuesLeaf},
		{name: "zonal-path-length", why: "the zonal CA may issue no CA, and issued the instance's", reason: "chain.path_length",
			plan: change(zonal, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })},
		{name: "regional-path-length", why: "the regional CA may have one CA below it and has two", reason: "chain.path_length",
			plan: change(regional, func(c *x509.Certificate) { c.MaxPathLen = 1 })},

		{name: "leaf-critical-extension", why: "a critical extension of the leaf that nobody knows", reason: "chain.critical_extension",
			plan: change(leaf, add(extension(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 99999, 1)))},
		{name: "leaf-critical-ext-key-usage", why: "a critical extended key usage of the leaf", reason: "chain.critical_extension",
			plan: change(leaf, add(extension(true, []byte{0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1}, 2, 5, 29, 37)))},
		{name: "zonal-name-constraints", why: "name constraints of the zonal CA", reason: "chain.critical_extension",
			plan: change(zonal, func(c *x509.Certificate) {
				c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.com"}
			})},
		{name: "zonal-name-constraints-lax", why: "name constraints that are not critical", reason: "chain.critical_extension",
			plan: change(zonal, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"example.com"} })},

		{name: "leaf-sha256", why: "the leaf is signed with SHA-256", reason: "chain.algorithm", plan: algorithm(leaf, x509.ECDSAWithSHA256)},
		{name: "instance-sha512", why: "the instance's certificate is signed with SHA-512", reason: "chain.algorithm", plan: algorithm(instance, x509.ECDSAWithSHA512)},
		{name: "zonal-ed25519", why: "the zonal CA has a key on Ed25519", reason: "chain.algorithm",
			plan: func(plans []*certPlan) { plans[zonal].key = ed25519Key("zonal") }},
	}
	for _, place := range []int{regional, zonal, instance, leaf} {
		forgeries = append(forgeries, forgery{name: places[place] + "-signed-by-stranger", reason: "chain.signature",
			why: "the " + places[place] + " certificate is signed by another key of the same issuer's name", plan: signedByStranger(place)})
	}
	for _, place := range []int{regional, zonal, instance} {
		forgeries = append(forgeries,
			forgery{name: places[place] + "-not-ca", reason: "chain.not_ca", why: "the " + places[place] + " certificate is no CA",
				plan: change(place, func(c *x509.Certificate) { c.IsCA, c.MaxPathLen, c.MaxPathLenZero = false, 0, false })},
			forgery{name: places[place] + "-no-basic-constraints", reason: "chain.not_ca", why: "the " + places[place] + " certificate has no basic constraints",
				plan: change(place, func(c *x509.Certificate) {
					c.BasicConstraintsValid, c.IsCA, c.MaxPathLen, c.MaxPathLenZero = false, false, 0, false
				})},
			forgery{name: places[place] + "-no-cert-sign", reason: "chain.key_usage", why: "the " + places[place] + " certificate may not sign certificates",
				plan: change(place, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })},
			forgery{name: places[place] + "-no-key-usage", reason: "chain.key_usage", why: "the " + places[place] + " certificate states no key usage",
				plan: change(place, func(c *x509.Certificate) { c.KeyUsage = 0 })},
			forgery{name: places[place] + "-critical-extension", reason: "chain.critical_extension", why: "a critical extension of the " + places[place] + " certificate that nobody knows",
				plan: change(place, add(extension(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 99999, 1)))},
			forgery{name: places[place] + "-p256", reason: "chain.algorithm", why: "the " + places[place] + " CA has a key on P-256",
				plan: func(plans []*certPlan) {
					plans[place].key = p256Key(places[place])
					plans[place+1].template.SignatureAlgorithm = x509.ECDSAWithSHA384
				}})
	}
	for _, place := range []int{regional, zonal, instance, leaf} {
		forgeries = append(forgeries,
			forgery{name: places[place] + "-expired", reason: "chain.expired", why: "the " + places[place] + " certificate expired a second before",
				plan: change(place, func(c *x509.Certificate) { c.NotAfter = signedAt.Truncate(time.Second).Add(time.Second) })},
			forgery{name: places[place] + "-not-yet-valid", reason: "chain.not_yet_valid", why: "the " + places[place] + " certificate is valid from a second after",
				plan: change(place, func(c *x509.Certificate) { c.NotBefore = signedAt.Truncate(time.Second).Add(3 * time.Second) })})
	}
	return forgeries
}
