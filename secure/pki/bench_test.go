package pki

import (
	"testing"
	"time"

	"busbar.example/secure/rbac"
)

// BenchmarkVerifyE2E verifies a path of a leaf, an issuing CA and a root, all
// with revocation lists. The reference is the two signatures on it.
func BenchmarkVerifyE2E(b *testing.B) {
	h := newHierarchy(b, E2E)
	id := must(h.issuing.IssueE2E("op@site.example", []rbac.Grant{{Role: rbac.Operator}}))(b)
	b.Run("first", func(b *testing.B) {
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			clear(h.trust.basis.Load().paths.paths)
			if _, err := h.trust.VerifyE2E(id.Chain, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.trust.VerifyE2E(id.Chain, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("reference", func(b *testing.B) {
		for b.Loop() {
			if id.Chain[0].CheckSignatureFrom(id.Chain[1]) != nil || id.Chain[1].CheckSignatureFrom(h.root.Certificate()) != nil {
				b.Fatal("wrong signature")
			}
		}
	})
}
