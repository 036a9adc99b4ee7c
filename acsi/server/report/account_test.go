package report

import (
	"testing"

	"busbar.example/acsi"
	"busbar.example/value"
)

// A client that comes back has another address, with a resource or a port of its own, and gets what it has reserved all the same;
// nobody else does.
//
// Conformance: sBr20, sBr21, sBrN7.
func TestReservationIsOfAnAccount(t *testing.T) {
	for _, tc := range []struct {
		name               string
		first, back, other Client
	}{
		{"an account", ann, Client{Address: "ann@dso.example/IEC-77", Name: "ann@dso.example"}, Client{Address: "ann@dso.example/IEC", Name: "bob@dso.example"}},
		{"a certificate", Client{Address: "192.0.2.7:4711", Name: "bob", Proven: true}, Client{Address: "192.0.2.8:4712", Name: "bob", Proven: true},
			Client{Address: "192.0.2.7:4713", Name: "anonymous"}},
		{"a network address", Client{Address: "192.0.2.9:1", Name: "anonymous"}, Client{Address: "[::ffff:192.0.2.9]:2", Name: "anonymous"},
			Client{Address: "192.0.2.10:1", Name: "anonymous"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.first.ID, tc.back.ID, tc.other.ID = 7, 8, 9
			r := newRig(t, nil)
			r.set(tc.first, "ResvTms", value.Int(10))
			r.enable(tc.first)
			r.refused("while the association stands", acsi.TemporarilyUnavailable, r.Set(r.now, tc.back, "RptEna", value.Bool(true)))
			r.Lost(r.now, tc.first.ID)
			for step, r := range map[string]*rig{"lost": r, "restarted": again(t, r)} {
				r.refused(step+", another client", acsi.TemporarilyUnavailable, r.Set(r.now, tc.other, "RptEna", value.Bool(true)))
				r.enable(tc.back)
				if got := r.Value("Owner").Text(); got != tc.back.Address {
					t.Errorf("%s: Owner is %q, want %q", step, got, tc.back.Address)
				}
			}
		})
	}
}
