package report

import (
	"testing"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Bits of OptFlds and TrgOps that a control block does not have are taken away: it reads as what it does.
//
// Conformance: sRpN6, sBrN6.
func TestBitsThatAreNotSupportedAreTakenAway(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered = buffered })
		all := value.Bits(10, []byte{0xff, 0xc0})
		r.set(ann, "OptFlds", all)
		r.set(ann, "TrgOps", value.Bits(6, []byte{0xfc}))
		flds, _ := acsi.OptFldsOf(all)
		flds &^= 1 // the first bit is reserved
		if !buffered {
			flds &^= acsi.OptBufOvfl | acsi.OptEntryID
		}
		if got, _ := acsi.OptFldsOf(r.Value("OptFlds")); got != flds {
			t.Errorf("buffered %t: OptFlds are %s, want %s", buffered, got, flds)
		}
		ops := acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgDataUpdate | acsi.TrgIntegrity | acsi.TrgGeneralInterrogation
		if got, _ := acsi.TrgOpsOf(r.Value("TrgOps")); got != ops {
			t.Errorf("buffered %t: TrgOps are %s, want %s", buffered, got, ops)
		}
	}
}
