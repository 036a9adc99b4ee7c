package mmsmap_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

// exactly compares values, times and the rest of notices.
var exactly = cmp.Options{cmp.Comparer(func(a, b value.Value) bool { return a.Equal(b) }), cmp.Comparer(func(a, b acsi.Ref) bool { return a == b })}

// everyField is all optional fields but segmentation.
const everyField = acsi.OptFlds(1<<acsi.OptFldsBits-2) &^ acsi.OptSegmentation

// reportWith is a report with the optional fields o of some of the size members of a data set.
func reportWith(o acsi.OptFlds, size int, members ...int) *acsi.Report {
	r := &acsi.Report{RptID: "LD/LLN0$RP$urcb01", OptFlds: o, SetSize: size}
	if o&acsi.OptSeqNum != 0 {
		r.SeqNum = 65535
	}
	if o&acsi.OptTimeStamp != 0 {
		r.Time = noon.Add(17 * time.Millisecond)
	}
	if o&acsi.OptDataSet != 0 {
		r.DataSet = "LD/LLN0$Status"
	}
	if o&acsi.OptBufOvfl != 0 {
		r.BufOvfl = true
	}
	if o&acsi.OptEntryID != 0 {
		r.EntryID = acsi.EntryNumber(1 << 40)
	}
	if o&acsi.OptConfRev != 0 {
		r.ConfRev = 7
	}
	for _, m := range members {
		e := acsi.ReportEntry{Member: m, Value: value.Int(int64(m))}
		if o&acsi.OptDataRef != 0 {
			e.Ref = fmt.Sprintf("LD/GGIO1$ST$Ind%d$stVal", m)
		}
		if o&acsi.OptReason != 0 {
			e.Reason = acsi.ReasonDataChange | acsi.ReasonIntegrity
		}
		r.Included = append(r.Included, e)
	}
	return r
}

// IEC 61850-8-1, Report: every combination of optional fields arrives as it was sent.
//
// Conformance: cRp, cBr.
func TestReportsArriveWithTheirOptionalFields(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	for o := acsi.OptFlds(0); o < 1<<acsi.OptFldsBits; o += 2 {
		if o&acsi.OptSegmentation != 0 {
			continue
		}
		want := reportWith(o, 19, 0, 7, 8, 18)
		sent := *want
		f.told <- &sent
		if diff := cmp.Diff(want, next[*acsi.Report](t, c), exactly); diff != "" {
			t.Fatalf("OptFlds %v (-want +got):\n%s", o, diff)
		}
	}
	none := reportWith(acsi.OptSeqNum, 3)
	f.told <- none
	if got := next[*acsi.Report](t, c); len(got.Included) != 0 || got.SetSize != 3 {
		t.Errorf("a report of no members: got %+v", got)
	}
	failed := reportWith(0, 2, 0, 1)
	failed.Included[1].Value = value.Value{}
	f.told <- failed
	if got := next[*acsi.Report](t, c); !got.Included[0].Value.IsValid() || got.Included[1].Value.IsValid() {
		t.Errorf("a member that could not be read: got %+v", got)
	}
	if n := c.Dropped(); n != 0 {
		t.Errorf("%d reports are said to be lost", n)
	}
}

// The order of the access results, by hand. IEC 61850-8-1, Table "Order of AccessResults for report".
func TestReportOnTheWire(t *testing.T) {
	f := newFake()
	heard := make(chan *mms.InformationReport, 1)
	a, _ := rawlyWith(t, f.services, everyRole(), assoc.Config{Notified: func(r *mms.InformationReport) { heard <- r }})
	f.told <- reportWith(everyField, 3, 0, 2)
	r := <-heard
	if r.VariableAccessSpecification != mms.VariableAccessSpecification(mms.VariableListName{Name: mms.VMDSpecific("RPT")}) {
		t.Errorf("the list is %v", r.VariableAccessSpecification)
	}
	var got []string
	for _, result := range r.ListOfAccessResult {
		got = append(got, result.(*mms.Success).Value.String())
	}
	want := []string{`visible-string "LD/LLN0$RP$urcb01"`, "bit-string 0111111110", "unsigned 65535", "binary-time/6 15403d+43200017ms",
		`visible-string "LD/LLN0$Status"`, "true", "octet-string 0000010000000000", "unsigned 7", "bit-string 101",
		`visible-string "LD/GGIO1$ST$Ind0$stVal"`, `visible-string "LD/GGIO1$ST$Ind2$stVal"`, "integer 0", "integer 2",
		"bit-string 0100100", "bit-string 0100100"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	a.Abort()
}

// upTo is the numbers below n.
func upTo(n int) []int {
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// What does not fit into a PDU comes in segments, and arrives whole.
//
// Conformance: sRp5, sBr5, cRp, cBr.
func TestReportsInSegments(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	for _, n := range []int{1, 20, 30, 50, 100, 1000} {
		for _, o := range []acsi.OptFlds{0, everyField} {
			want := reportWith(o, n, upTo(n)...)
			r := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range want.Included {
				want.Included[i].Value = value.Text(strings.Repeat("x", r.IntN(200)))
			}
			sent := *want
			f.told <- &sent
			if diff := cmp.Diff(want, next[*acsi.Report](t, c), exactly); diff != "" {
				t.Fatalf("%d members (-want +got):\n%s", n, diff)
			}
		}
	}
	if got := c.Faults(); len(got) > 0 || c.Dropped() > 0 {
		t.Errorf("faults %v, %d dropped", got, c.Dropped())
	}
}

// A member that fits into no PDU is left out, and heard of; the others arrive.
func TestMemberThatFitsIntoNoPDU(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	for _, large := range []int{0, 3, 6} {
		r := reportWith(acsi.OptSeqNum, 7, upTo(7)...)
		r.Included[large].Value = value.Text(strings.Repeat("x", 2*assoc.MinPDU))
		before := len(c.Faults())
		f.told <- r
		f.told <- reportWith(acsi.OptSeqNum, 7, 1)
		got := next[*acsi.Report](t, c)
		if len(got.Included) != 6 {
			t.Errorf("member %d is too large: %d members arrive", large, len(got.Included))
			continue
		}
		next[*acsi.Report](t, c)
		if n := len(c.Faults()) - before; n != 1 {
			t.Errorf("member %d is too large: %d faults", large, n)
		}
	}
}

// segment is one segment of a report as a peer may send it.
func segment(seq, sub int, more bool, size int, members ...int) *mms.InformationReport {
	included := make([]byte, (size+7)/8)
	for _, m := range members {
		included[m/8] |= 0x80 >> (m % 8)
	}
	values := []value.Value{value.Visible("id"), (acsi.OptSeqNum | acsi.OptSegmentation).Value(), value.Uint(uint64(seq)), value.Uint(uint64(sub)),
		value.Bool(more), value.Bits(size, included)}
	for _, m := range members {
		values = append(values, value.Int(int64(m)))
	}
	return reportOfValues(values...)
}

func reportOfValues(values ...value.Value) *mms.InformationReport {
	r := &mms.InformationReport{VariableAccessSpecification: mms.VariableListName{Name: mms.VMDSpecific("RPT")}}
	for _, v := range values {
		r.ListOfAccessResult = append(r.ListOfAccessResult, &mms.Success{Value: v})
	}
	return r
}

// told associates a client with a server that tells it reports, and gives what the client makes of them.
func told(t *testing.T, reports ...*mms.InformationReport) (notices []acsi.Notice, dropped uint64) {
	t.Helper()
	c, server := withServer(t, nil)
	for _, r := range reports {
		if err := server.Notify(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		n, err := c.Next(t.Context())
		if errors.Is(err, net.ErrClosed) {
			return notices, c.Dropped()
		}
		if err != nil {
			t.Fatal(err)
		}
		notices = append(notices, n)
	}
}

// Conformance: cRp, cBr.
func TestSegmentsThatDoNotFitTogether(t *testing.T) {
	for _, tc := range []struct {
		name     string
		segments []*mms.InformationReport
		want     string // members of each report
		dropped  uint64
	}{
		{"whole", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(1, 1, true, 4, 1), segment(1, 2, false, 4, 3)}, "[0 1 3]", 0},
		{"one segment only", []*mms.InformationReport{segment(1, 0, false, 4, 0)}, "[0]", 0},
		{"one of no members", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(1, 1, true, 4), segment(1, 2, false, 4, 3)}, "[0 3]", 0},
		{"two side by side", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(2, 0, true, 4, 1), segment(1, 1, false, 4, 2), segment(2, 1, false, 4, 3)}, "[0 2] [1 3]", 0},
		{"a gap", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(1, 2, true, 4, 1), segment(1, 3, false, 4, 2)}, "", 1},
		{"the first is missing", []*mms.InformationReport{segment(1, 1, true, 4, 1), segment(1, 2, false, 4, 2)}, "", 1},
		{"the last is missing", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(1, 0, true, 4, 1), segment(1, 1, false, 4, 2)}, "[1 2]", 1},
		{"out of order", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(1, 2, false, 4, 2), segment(1, 1, true, 4, 1)}, "", 1},
		{"a member twice", []*mms.InformationReport{segment(1, 0, true, 4, 1), segment(1, 1, false, 4, 1)}, "", 1},
		{"members in no order", []*mms.InformationReport{segment(1, 0, true, 4, 2), segment(1, 1, false, 4, 1)}, "", 1},
		{"of two sizes", []*mms.InformationReport{segment(1, 0, true, 4, 0), segment(1, 1, false, 5, 1)}, "", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			notices, dropped := told(t, tc.segments...)
			var got []string
			for _, n := range notices {
				var members []int
				for _, e := range n.(*acsi.Report).Included {
					members = append(members, e.Member)
				}
				got = append(got, fmt.Sprint(members))
			}
			if strings.Join(got, " ") != tc.want || dropped != tc.dropped {
				t.Errorf("got %v and %d dropped, want %s and %d", got, dropped, tc.want, tc.dropped)
			}
		})
	}
}

func TestReportsThatMakeNoSense(t *testing.T) {
	id, none := value.Visible("id"), acsi.OptFlds(0).Value()
	for name, r := range map[string]*mms.InformationReport{
		"nothing":                 reportOfValues(),
		"no optional fields":      reportOfValues(id),
		"an id of another kind":   reportOfValues(value.Int(1), none, value.Bits(1, nil)),
		"an id without end":       reportOfValues(value.Visible(strings.Repeat("x", 5000)), none, value.Bits(1, nil)),
		"flags of another kind":   reportOfValues(id, value.Int(1), value.Bits(1, nil)),
		"no inclusion":            reportOfValues(id, none),
		"inclusion by a number":   reportOfValues(id, none, value.Int(1)),
		"a value too few":         reportOfValues(id, none, value.Bits(2, []byte{0xc0}), value.Int(1)),
		"a value too many":        reportOfValues(id, none, value.Bits(2, []byte{0x80}), value.Int(1), value.Int(1)),
		"a number that is none":   reportOfValues(id, acsi.OptSeqNum.Value(), value.Bool(true), value.Bits(1, nil)),
		"a number too large":      reportOfValues(id, acsi.OptSeqNum.Value(), value.Uint(1<<16), value.Bits(1, nil)),
		"a time that is none":     reportOfValues(id, acsi.OptTimeStamp.Value(), value.BinTimeOfDay(1), value.Bits(1, nil)),
		"an entry of nine octets": reportOfValues(id, acsi.OptEntryID.Value(), value.Octets(make([]byte, 9)), value.Bits(1, nil)),
		"references missing":      reportOfValues(id, acsi.OptDataRef.Value(), value.Bits(1, []byte{0x80}), value.Int(1)),
		"references of a kind":    reportOfValues(id, acsi.OptDataRef.Value(), value.Bits(1, []byte{0x80}), value.Int(1), value.Int(1)),
		"reasons of a kind":       reportOfValues(id, acsi.OptReason.Value(), value.Bits(1, []byte{0x80}), value.Int(1), value.Int(1)),
		"of another list": {VariableAccessSpecification: mms.VariableListName{Name: mms.VMDSpecific("XYZ")},
			ListOfAccessResult: reportOfValues(id, none, value.Bits(1, nil)).ListOfAccessResult},
		"a failure in the head": {VariableAccessSpecification: mms.VariableListName{Name: mms.VMDSpecific("RPT")},
			ListOfAccessResult: []mms.AccessResult{mms.HardwareFault, mms.HardwareFault, mms.HardwareFault}},
	} {
		t.Run(name, func(t *testing.T) {
			if notices, dropped := told(t, r); len(notices) > 0 || dropped != 1 {
				t.Errorf("got %+v and %d dropped, want nothing and 1", notices, dropped)
			}
		})
	}
}

// A peer that begins reports and never ends them, and one whose reports nobody takes, have their bounds.
func TestReportsWithoutEnd(t *testing.T) {
	c, server := withServer(t, nil)
	text := value.Text(strings.Repeat("x", 30000))
	for i := range 1000 {
		r := segment(i/900, i%900, true, 1000, i%900)
		r.ListOfAccessResult[len(r.ListOfAccessResult)-1] = &mms.Success{Value: text}
		if err := server.Notify(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 { // and so many side by side
		if err := server.Notify(t.Context(), segment(1000+i, 0, true, 8, 0)); err != nil {
			t.Fatal(err)
		}
	}
	const flood = 10000
	for i := range flood {
		if err := server.Notify(t.Context(), segment(i, 0, false, 8, i%8)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, last := 0, -1
	for ; ; got++ {
		n, err := c.Next(t.Context())
		if err != nil {
			break
		}
		r := n.(*acsi.Report)
		if last >= 0 && int(r.SeqNum) != last+1 {
			t.Fatalf("report %d follows %d", r.SeqNum, last)
		}
		last = int(r.SeqNum)
	}
	if got != 4096 || last != flood-1 {
		t.Errorf("%d reports are left, the last is %d; want the last 4096 of %d", got, last, flood)
	}
	if n := c.Dropped(); n < flood-4096+900 {
		t.Errorf("%d dropped", n)
	}
}

// What an IED tells of commands is not lost to a flood of reports.
func TestTerminationsOutliveReports(t *testing.T) {
	c, server := withServer(t, nil)
	ref := acsi.MustRef("LD/CSWI1.Pos.Oper[CO]")
	for i := range 6000 {
		r := segment(i, 0, false, 8, 1)
		if i == 5 {
			r = operReport(ref, value.StructureOf(value.Bool(true), value.Int(1)))
		}
		if err := server.Notify(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := next[*acsi.Termination](t, c); got.Ref != ref {
		t.Errorf("got %+v", got)
	}
}

// Next waits, and gives up with its context or when the association has ended.
func TestNextEnds(t *testing.T) {
	c := connect(t, newFake().services, everyRole(), assoc.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := c.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", n, err)
	}
	c.Abort()
	if n, err := c.Next(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: got %v, %v", n, err)
	}
}
