package clock

import (
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

func TestTheHostIsAsked(t *testing.T) {
	var h Host
	before := time.Now()
	if now := h.Now(); now.Before(before) || now.After(time.Now()) {
		t.Errorf("it is %v", now)
	}
	q := h.Quality()
	if q != h.Quality() {
		t.Error("it changes its mind at once")
	}
	if synchronized := q&acsi.ClockNotSynchronized == 0; synchronized != (q&acsi.LeapSecondsKnown != 0) {
		t.Errorf("quality %v", q)
	}
}

// ltms is a model with an LTMS whose TmSyn has the names given.
func ltms(t *testing.T, kinds *acsi.Enum) *server.Engine {
	t.Helper()
	stVal := func(do, basic string, e *acsi.Enum) *acsi.Node {
		typ, _ := acsi.BasicType(basic)
		quality, _ := acsi.BasicType("Quality")
		stamp, _ := acsi.BasicType("Timestamp")
		return &acsi.Node{Name: do, Kind: acsi.DataObjectNode, Children: []*acsi.Node{
			{Name: "stVal", Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: typ, Basic: basic, Enum: e},
			{Name: "q", Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: quality},
			{Name: "t", Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: stamp},
		}}
	}
	ln := &acsi.Node{Name: "LTMS1", Kind: acsi.LogicalNodeNode, Class: "LTMS", Children: []*acsi.Node{
		stVal("TmSrc", "VisString255", nil), stVal("TmSyn", "Enum", kinds), stVal("TmAcc", "INT32", nil)}}
	e, err := server.New(server.Config{Model: &acsi.Model{IED: "I", LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{{Node: ln}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSupervisionShowsTheClock(t *testing.T) {
	standard := &acsi.Enum{Values: []acsi.EnumValue{{Ord: 1, Name: "InternalClock"}, {Ord: 2, Name: "LocalAreaClock"}, {Ord: 3, Name: "GlobalAreaClock"}}}
	vendors := &acsi.Enum{Values: []acsi.EnumValue{{Ord: 0, Name: "Not synchronized by a global area clock signal"},
		{Ord: 1, Name: "Synchronized by a local area clock signal"}, {Ord: 2, Name: "Synchronized by a global area clock signal"}}}
	for _, test := range []struct {
		name  string
		kinds *acsi.Enum
		q     acsi.TimeQuality
		syn   int64
		acc   int64
	}{
		{"synchronised", standard, acsi.LeapSecondsKnown | 10, 3, 10},
		{"left to itself", standard, unknown, 1, 31},
		{"a vendor's, synchronised", vendors, acsi.LeapSecondsKnown | 10, 2, 10},
		{"a vendor's, left to itself", vendors, unknown, 0, 31},
	} {
		e := ltms(t, test.kinds)
		NewSupervision(e).Show("ntp.example", test.q)
		for ref, want := range map[string]value.Value{"TmSrc": value.Visible("ntp.example"), "TmSyn": value.Int(test.syn), "TmAcc": value.Int(test.acc)} {
			if got, err := e.Value(acsi.MustRef("LD/LTMS1." + ref + ".stVal[ST]")); err != nil || !got.Equal(want) {
				t.Errorf("%s: %s: got %v, %v, want %v", test.name, ref, got, err, want)
			}
			if got, _ := e.Value(acsi.MustRef("LD/LTMS1." + ref + ".q[ST]")); !got.Equal(acsi.QualityGood.Value()) && ref == "TmSrc" {
				t.Errorf("%s: the quality of %s is %v", test.name, ref, got)
			}
		}
	}
	e := ltms(t, nil) // no names: TmSyn is left alone
	NewSupervision(e).Show("ntp.example", unknown)
	if got, _ := e.Value(acsi.MustRef("LD/LTMS1.TmSyn.stVal[ST]")); !got.Equal(value.Int(0)) {
		t.Errorf("without names: %v", got)
	}
}
