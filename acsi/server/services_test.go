package server

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

func TestDirectories(t *testing.T) {
	s := newBench(t).as(rbac.Viewer)
	lds, err := s.GetServerDirectory(bg)
	if d := cmp.Diff([]string{"CRNLD0", "FreelyNamed"}, lds); d != "" || err != nil {
		t.Errorf("server: %v (-want +got):\n%s", err, d)
	}
	lns, err := s.GetLogicalDeviceDirectory(bg, "CRNLD0")
	if d := cmp.Diff([]string{"CSWI1", "LLN0", "MHAI1", "MHAI2", "MMXU1", "PTOC1"}, lns); d != "" || err != nil {
		t.Errorf("device: %v (-want +got):\n%s", err, d)
	}
	for ref, want := range map[string]string{
		"CRNLD0/MMXU1":     "Beh TotW PhV",
		"CRNLD0/MMXU1[CF]": "TotW PhV",
		"CRNLD0/MMXU1[ST]": "Beh",
	} {
		got, err := s.GetLogicalNodeDirectory(bg, acsi.MustRef(ref))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %v %v, want %s", ref, got, err, want)
		}
	}
	for ref, want := range map[string]string{
		"CRNLD0/MMXU1.TotW":                     "mag q t units db",
		"CRNLD0/MMXU1.TotW[CF]":                 "units db",
		"CRNLD0/MMXU1.TotW.mag":                 "i f",
		"CRNLD0/MMXU1.TotW.mag.f[MX]":           "",
		"CRNLD0/PTOC1.StrVal":                   "setMag units",
		"CRNLD0/PTOC1.StrVal[SE]":               "setMag",
		"CRNLD0/MHAI1.HA.phsAHar(3)":            "cVal q t",
		"CRNLD0/MHAI1.HA.phsAHar(3).cVal[MX]":   "mag ang",
		"FreelyNamed/SchFSCH1.Curve.val(0)":     "",
		"FreelyNamed/SchFSCH1.Curve.val(0)[SP]": "",
	} {
		got, err := s.GetDataDirectory(bg, acsi.MustRef(ref))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %v %v, want %q", ref, got, err, want)
		}
	}
}

func TestDirectoriesOfWhatIsNotThere(t *testing.T) {
	s := newBench(t).as(rbac.Viewer)
	code := func(err error) string {
		var e *acsi.Error
		if errors.As(err, &e) {
			return e.Code.String()
		}
		return ""
	}
	for _, ld := range []string{"NOSUCH", "crnld0"} {
		if _, err := s.GetLogicalDeviceDirectory(bg, ld); code(err) != "object-non-existent" {
			t.Errorf("%s: %v", ld, err)
		}
	}
	if _, err := s.GetLogicalDeviceDirectory(bg, "no device"); code(err) != "invalid-address" {
		t.Errorf("a name that is none: %v", err)
	}
	for _, ref := range []string{"CRNLD0/MMXU9", "CRNLD0/MMXU1[CO]"} {
		if _, err := s.GetLogicalNodeDirectory(bg, acsi.MustRef(ref)); code(err) != "object-non-existent" {
			t.Errorf("%s: %v", ref, err)
		}
		if _, err := s.GetDataDefinition(bg, acsi.MustRef(ref)); code(err) != "object-non-existent" {
			t.Errorf("%s: %v", ref, err)
		}
	}
	for _, ref := range []string{"CRNLD0/MMXU1.TotW", "CRNLD0/MMXU1.TotW[MX]"} {
		if _, err := s.GetLogicalNodeDirectory(bg, acsi.MustRef(ref)); code(err) != "invalid-address" {
			t.Errorf("%s: %v", ref, err)
		}
		if _, err := s.GetAllDataValues(bg, acsi.MustRef(ref)); code(err) != "invalid-address" {
			t.Errorf("%s: %v", ref, err)
		}
	}
	results, err := s.GetDataValues(bg, []acsi.Ref{acsi.MustRef("CRNLD0/MMXU1.TotW"), acsi.MustRef("CRNLD0/MMXU1.Nix"),
		acsi.MustRef("CRNLD0/MHAI1.HA.phsAHar(4)[MX]"), acsi.MustRef("CRNLD0")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"invalid-address", "object-non-existent", "object-non-existent", "object-non-existent"} {
		if code(results[i].Err) != want {
			t.Errorf("result %d: got %v, want %s", i, results[i].Err, want)
		}
	}
}

func TestDefinitionIsTheTypeUnderTheConstraint(t *testing.T) {
	s := newBench(t).as(rbac.Viewer)
	names := func(n *acsi.Node) string {
		var list []string
		for _, c := range n.Children {
			list = append(list, c.Name+"["+c.FC.String()+"]")
		}
		return strings.Join(list, " ")
	}
	for ref, want := range map[string]string{
		"CRNLD0/MMXU1":                   "Beh[] TotW[] PhV[]",
		"CRNLD0/MMXU1[CF]":               "TotW[] PhV[]",
		"CRNLD0/MMXU1.TotW":              "mag[MX] q[MX] t[MX] units[CF] db[CF]",
		"CRNLD0/MMXU1.TotW[MX]":          "mag[MX] q[MX] t[MX]",
		"CRNLD0/PTOC1.StrVal":            "setMag[SG] setMag[SE] units[CF]",
		"CRNLD0/MHAI1.HA.phsAHar(1)[MX]": "cVal[MX] q[MX] t[MX]",
	} {
		n, err := s.GetDataDefinition(bg, acsi.MustRef(ref))
		if err != nil || names(n) != want {
			t.Errorf("%s: got %v %v, want %s", ref, n, err, want)
		}
	}
	array, err := s.GetDataDefinition(bg, acsi.MustRef("CRNLD0/MHAI1.HA.phsAHar[MX]"))
	if err != nil || array.Count != 4 {
		t.Errorf("array: got %+v %v", array, err)
	}
	element, err := s.GetDataDefinition(bg, acsi.MustRef("CRNLD0/MHAI1.HA.phsAHar(0)"))
	if err != nil || element.Count != 0 {
		t.Errorf("element: got %+v %v", element, err)
	}
}

func TestGetAllDataValuesGoesByDataObjectAndConstraint(t *testing.T) {
	b := newBench(t)
	list := func(role rbac.Role, ref string) []string {
		all, err := b.as(role).GetAllDataValues(bg, acsi.MustRef(ref))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range all {
			text := v.Ref.String()
			if v.Err != nil {
				text += " denied"
			} else if want, _ := b.Value(v.Ref); !v.Value.Equal(want) {
				t.Errorf("%s: got %v, want %v", v.Ref, v.Value, want)
			}
			got = append(got, text)
		}
		return got
	}
	want := []string{"CRNLD0/CSWI1.Beh[ST]", "CRNLD0/CSWI1.Pos[ST]", "CRNLD0/CSWI1.Pos[SV]", "CRNLD0/CSWI1.Pos[CF]", "CRNLD0/CSWI1.Pos[BL]", "CRNLD0/CSWI1.Pos[CO]"}
	if d := cmp.Diff(want, list(rbac.Operator, "CRNLD0/CSWI1")); d != "" {
		t.Errorf("operator (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want[1:2], list(rbac.Operator, "CRNLD0/CSWI1[ST]")[1:]); d != "" {
		t.Errorf("operator, ST (-want +got):\n%s", d)
	}
	want[5] += " denied"
	if d := cmp.Diff(want, list(rbac.Viewer, "CRNLD0/CSWI1")); d != "" {
		t.Errorf("viewer (-want +got):\n%s", d)
	}
}

func TestReadPutsStructuresAndArraysTogether(t *testing.T) {
	b := newBench(t)
	s := b.as(rbac.Viewer)
	whole := get(t, s, "CRNLD0/MMXU1[MX]")
	if whole.Len() != 2 || whole.At(1).Len() != 2 || !whole.At(0).Equal(get(t, s, "CRNLD0/MMXU1.TotW[MX]")) ||
		!whole.At(1).At(0).Equal(get(t, s, "CRNLD0/MMXU1.PhV.phsA[MX]")) {
		t.Errorf("got %v", whole)
	}
	harmonics := get(t, s, "CRNLD0/MHAI1.HA.phsAHar[MX]")
	for i := range 4 {
		ref, err := acsi.MustRef("CRNLD0/MHAI1.HA.phsAHar[MX]").Element(i)
		if err != nil {
			t.Fatal(err)
		}
		if one := get(t, s, ref.String()); !one.Equal(harmonics.At(i)) {
			t.Errorf("element %d: got %v, want %v", i, one, harmonics.At(i))
		}
	}
}

const all = "FreelyNamed/SchFSCH1.All."

// Conformance: sMdl8, sMdl12, sMdl13, sSrvN2, sSrvN3.
func TestWriteChecksTypeSizeAndRange(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, tc := range []struct {
		ref  string
		v    value.Value
		want string
	}{
		{all + "b[SP]", value.Bool(true), ""},
		{all + "b[SP]", value.Int(1), "type-inconsistent"},
		{all + "i8[SP]", value.Int(-128), ""},
		{all + "i8[SP]", value.Int(-129), "type-inconsistent"},
		{all + "i8[SP]", value.Int(128), "type-inconsistent"},
		{all + "i8[SP]", value.Uint(1), "type-inconsistent"},
		{all + "i64[SP]", value.Int(math.MinInt64), ""},
		{all + "u8[SP]", value.Uint(255), ""},
		{all + "u8[SP]", value.Uint(256), "type-inconsistent"},
		{all + "u32[SP]", value.Uint(math.MaxUint32), ""},
		{all + "u32[SP]", value.Uint(math.MaxUint32 + 1), "type-inconsistent"},
		{all + "f32[SP]", value.Float(float32(math.Inf(1))), ""},
		{all + "f32[SP]", value.Double(1), "type-inconsistent"},
		{all + "f64[SP]", value.Double(1), ""},
		{all + "pos[SP]", value.Bits(2, nil), ""},
		{all + "pos[SP]", value.Bits(3, nil), "type-inconsistent"},
		{all + "qual[SP]", value.Bits(13, nil), ""},
		{all + "qual[SP]", value.Bits(15, nil), "type-inconsistent"},
		{all + "oct[SP]", value.Octets(make([]byte, 64)), ""},
		{all + "oct[SP]", value.Octets(make([]byte, 65)), "type-inconsistent"},
		{all + "vis[SP]", value.Visible(long[:32]), ""},
		{all + "vis[SP]", value.Visible(long[:33]), "type-inconsistent"},
		{all + "vis[SP]", value.Text("x"), "type-inconsistent"},
		{all + "uni[SP]", value.Text(strings.Repeat("ü", 255)), ""},
		{all + "uni[SP]", value.Text(long), "type-inconsistent"},
		{all + "utc[SP]", value.UTC(1), ""},
		{all + "entry[SP]", value.BinTime(0, 1), ""},
		{all + "entry[SP]", value.BinTimeOfDay(0), "type-inconsistent"},
		{all + "wide[SP]", value.Int(1000), ""},
		{all + "wide[SP]", value.Int(5), "object-value-invalid"},
		{all + "wide[SP]", value.Int(40000), "type-inconsistent"},
		{all + "b[SP]", value.Value{}, "type-inconsistent"},
		{"CRNLD0/MMXU1.TotW.units[CF]", value.StructureOf(value.Int(29), value.Int(3)), ""},
		{"CRNLD0/MMXU1.TotW.units[CF]", value.StructureOf(value.Int(29)), "type-inconsistent"},
		{"CRNLD0/MMXU1.TotW.units[CF]", value.StructureOf(value.Int(29), value.Int(99)), "object-value-invalid"},
		{"CRNLD0/MMXU1.TotW.units[CF]", value.ArrayOf(value.Int(29), value.Int(3)), "type-inconsistent"},
		{"FreelyNamed/SchFSCH1.Curve.val[SP]", value.ArrayOf(value.Float(1), value.Float(2), value.Float(3)), ""},
		{"FreelyNamed/SchFSCH1.Curve.val[SP]", value.ArrayOf(value.Float(1), value.Float(2)), "type-inconsistent"},
		{"FreelyNamed/SchFSCH1.Curve.val[SP]", value.ArrayOf(value.Float(1), value.Float(2), value.Int(3)), "type-inconsistent"},
		{"FreelyNamed/SchFSCH1.Curve.val(2)[SP]", value.Float(3), ""},
		{"FreelyNamed/SchFSCH1.Curve.val(3)[SP]", value.Float(3), "object-non-existent"},
		{"FreelyNamed/SchFSCH1.Curve.val", value.Float(3), "invalid-address"},
	} {
		b := newBench(t)
		ref := acsi.MustRef(tc.ref)
		before, _ := b.Value(ref)
		errs, err := b.as(rbac.Engineer).SetDataValues(bg, []acsi.Assignment{{Ref: ref, Value: tc.v}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if refused := (*acsi.Error)(nil); errors.As(errs[0], &refused) {
			got = refused.Code.String()
		}
		if got != tc.want {
			t.Errorf("%s = %v: got %v, want %q", ref, tc.v, errs[0], tc.want)
			continue
		}
		want := before
		if tc.want == "" {
			want = tc.v
		}
		if after, _ := b.Value(ref); !after.Equal(want) {
			t.Errorf("%s = %v: then it is %v, want %v", ref, tc.v, after, want)
		}
	}
}

func TestWritesAreInOrderAndOneThatFailsUndoesNoOther(t *testing.T) {
	b := newBench(t)
	set := func(ref string, v value.Value) acsi.Assignment {
		return acsi.Assignment{Ref: acsi.MustRef(ref), Value: v}
	}
	var heard []string
	b.OnWrite(func(ref acsi.Ref, v value.Value) {
		now, err := b.Value(ref) // the lock is free
		if err != nil {
			t.Error(err)
		}
		heard = append(heard, ref.String()+" "+v.String()+" "+now.String())
	})
	errs, err := b.as(rbac.Engineer).SetDataValues(bg, []acsi.Assignment{
		set(all+"i8[SP]", value.Int(1)), set(all+"i8[SP]", value.Bool(true)), set(all+"u8[SP]", value.Uint(2)), set(all+"i8[SP]", value.Int(3))})
	if err != nil || errs[0] != nil || errs[1] == nil || errs[2] != nil || errs[3] != nil {
		t.Errorf("got %v %v", errs, err)
	}
	want := []string{all + "i8[SP] integer 1 integer 3", all + "u8[SP] unsigned 2 unsigned 2", all + "i8[SP] integer 3 integer 3"}
	if d := cmp.Diff(want, heard); d != "" {
		t.Errorf("process (-want +got):\n%s", d)
	}
	var texts []string
	for _, e := range b.events.Events() {
		if e.ID != audit.ValueWritten {
			t.Errorf("event %s", e.ID)
		}
		texts = append(texts, e.Text)
	}
	if d := cmp.Diff([]string{all + "i8[SP] = integer 1", all + "u8[SP] = unsigned 2", all + "i8[SP] = integer 3"}, texts); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

func TestHooksHearConcurrentWritesInTheOrderTheyTookEffect(t *testing.T) {
	b := newBench(t)
	ref := acsi.MustRef(all + "i64[SP]")
	var last value.Value
	calls := 0
	b.OnWrite(func(_ acsi.Ref, v value.Value) { // one at a time: no lock of its own
		last = v
		calls++
		b.Update(func(tx *Tx) {}) // allowed in a hook
	})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			s := b.as(rbac.Engineer)
			for i := range 50 {
				if _, err := s.SetDataValues(bg, []acsi.Assignment{{Ref: ref, Value: value.Int(int64(w*1000 + i))}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if now, err := b.Value(ref); err != nil || calls != 400 || !now.Equal(last) {
		t.Errorf("%d calls, want 400; last heard %v, it is %v %v", calls, last, now, err)
	}
}

func TestPanicOfAHookDoesNotStopTheOthers(t *testing.T) {
	b := newBench(t)
	first := true
	b.OnWrite(func(acsi.Ref, value.Value) {
		if first {
			first = false
			panic("broken process")
		}
	})
	write := func() (broke any) {
		defer func() { broke = recover() }()
		_, _ = b.as(rbac.Engineer).SetDataValues(bg, []acsi.Assignment{{Ref: acsi.MustRef(all + "i8[SP]"), Value: value.Int(1)}})
		return nil
	}
	if write() == nil {
		t.Error("the panic is swallowed")
	}
	if broke := write(); broke != nil {
		t.Errorf("the next write: %v", broke)
	}
}

func TestReadersSeeUpdatesWhole(t *testing.T) {
	b := newBench(t)
	var handles []Handle
	for _, ref := range []string{"CRNLD0/MMXU1.TotW.mag.f[MX]", "CRNLD0/MMXU1.PhV.phsA.cVal.mag.f[MX]", "CRNLD0/MMXU1.PhV.phsB.cVal.mag.f[MX]"} {
		h, err := b.Handle(acsi.MustRef(ref))
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, h)
	}
	update := func(i int) {
		b.Update(func(tx *Tx) {
			for _, h := range handles {
				if err := tx.SetStamped(h, value.Float(float32(i)), acsi.QualityGood, tx.Now()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	update(0)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; ; i++ {
			select {
			case <-stop:
				return
			default:
				update(i)
			}
		}
	})
	wg.Go(func() {
		defer close(stop)
		s := b.as(rbac.Viewer)
		refs := []acsi.Ref{handles[0].Ref(), handles[1].Ref(), acsi.MustRef("CRNLD0/MMXU1.PhV[MX]")}
		for range 500 {
			r, err := s.GetDataValues(bg, refs)
			if err != nil {
				t.Error(err)
				return
			}
			if third := r[2].Value.At(1).At(0).At(0).At(1); !r[0].Value.Equal(r[1].Value) || !r[1].Value.Equal(third) {
				t.Errorf("got %v, %v and %v in one read", r[0].Value, r[1].Value, third)
				return
			}
		}
	})
	wg.Wait()
}
