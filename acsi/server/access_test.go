package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

// arguments make a call of a service that would be carried out. A service that is added to acsi.Services fails
// TestEveryServiceDecides until it is here.
var arguments = map[string][]any{
	"GetServerDirectory":        {bg},
	"GetLogicalDeviceDirectory": {bg, "CRNLD0"},
	"GetLogicalNodeDirectory":   {bg, acsi.MustRef("CRNLD0/MMXU1")},
	"GetAllDataValues":          {bg, acsi.MustRef("CRNLD0/MMXU1")},
	"GetDataValues":             {bg, []acsi.Ref{acsi.MustRef("CRNLD0/MMXU1.TotW[MX]")}},
	"SetDataValues":             {bg, []acsi.Assignment{{Ref: acsi.MustRef("CRNLD0/MMXU1.TotW.db[CF]"), Value: value.Uint(1)}}},
	"GetDataDirectory":          {bg, acsi.MustRef("CRNLD0/MMXU1.TotW")},
	"GetDataDefinition":         {bg, acsi.MustRef("CRNLD0/MMXU1.TotW")},
	"GetLogs":                   {bg, acsi.MustRef("CRNLD0/LLN0")},
	"QueryLogByTime":            {bg, acsi.MustRef("CRNLD0/LLN0.Events"), time.Time{}, time.Time{}},
	"QueryLogAfter":             {bg, acsi.MustRef("CRNLD0/LLN0.Events"), time.Time{}, acsi.EntryID{}},
	"GetFiles":                  {bg, ""},
	"OpenFile":                  {bg, "file", uint32(0)},
	"SetFile":                   {bg, "file", strings.NewReader("")},
	"DeleteFile":                {bg, "file"},
	"GetDataSets":               {bg, acsi.MustRef("CRNLD0/LLN0")},
	"GetDataSetDirectory":       {bg, acsi.MustRef("CRNLD0/LLN0.measured")},
	"GetDataSetValues":          {bg, acsi.MustRef("CRNLD0/LLN0.measured")},
	"SetDataSetValues":          {bg, acsi.MustRef("CRNLD0/LLN0.measured"), []value.Value{value.Uint(1)}},
	"CreateDataSet":             {bg, acsi.MustRef("CRNLD0/LLN0.new"), []acsi.Ref{acsi.MustRef("CRNLD0/MMXU1.TotW[MX]")}},
	"DeleteDataSet":             {bg, acsi.MustRef("CRNLD0/LLN0.measured")},
}

// undecided are the methods that are no request for anything, and say why.
var undecided = map[string]string{
	"Supported": "says what the IED is, not what is in it",
	"Next":      "gives what other services have asked for; a report decides by itself",
	"Close":     "gives back",
}

// call calls a service by its name and gives the errors in what it returns.
func callService(s acsi.Services, name string) []error {
	in := make([]reflect.Value, 0, 2)
	for _, a := range arguments[name] {
		in = append(in, reflect.ValueOf(a))
	}
	var errs []error
	for _, out := range reflect.ValueOf(s).MethodByName(name).Call(in) {
		errs = append(errs, errorsIn(out)...)
	}
	return errs
}

// errorsIn finds the errors in v, a result or a list of them.
func errorsIn(v reflect.Value) []error {
	if !v.IsValid() || (v.Kind() == reflect.Interface || v.Kind() == reflect.Slice) && v.IsNil() {
		return nil
	}
	switch x := v.Interface().(type) {
	case error:
		return []error{x}
	case acsi.Result:
		return errorsIn(reflect.ValueOf(&x.Err).Elem())
	case acsi.DataValue:
		return errorsIn(reflect.ValueOf(&x.Err).Elem())
	}
	var errs []error
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			errs = append(errs, errorsIn(v.Index(i))...)
		}
	}
	return errs
}

// benchOfAll has a log and a file, too.
func benchOfAll(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	m := model(t)
	m.LD("CRNLD0").LN("LLN0").Logs = []string{"Events"}
	b := &bench{now: noon, events: &audit.Memory{}}
	if b.Engine, err = New(Config{Model: m, Audit: b.events, Now: func() time.Time { return b.now }, Files: root}); err != nil {
		t.Fatal(err)
	}
	return b
}

// IEC 62351-8: every service is decided, by rights that hold at that time.
func TestEveryServiceDecides(t *testing.T) {
	services := reflect.TypeFor[acsi.Services]()
	for i := range services.NumMethod() {
		name := services.Method(i).Name
		if undecided[name] != "" {
			continue
		}
		if arguments[name] == nil {
			t.Errorf("%s: no arguments to try it with", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			engineer := subject(rbac.Engineer)
			expired := subject(rbac.Engineer)
			expired.Grants[0].NotAfter = noon.Add(-time.Second)
			elsewhere := subject(rbac.Engineer)
			elsewhere.Grants[0].AOR = "OTHER*"
			for _, tc := range []struct {
				name    string
				subject rbac.Subject
				denied  bool
				event   audit.ID
			}{
				{"engineer", engineer, false, ""},
				{"nobody", rbac.Subject{}, true, audit.AccessDenied},
				{"R3 expired", expired, true, audit.RoleWithdrawn},
				{"R1 other area", elsewhere, true, audit.AccessDenied},
				{"R1 private role", subject(-7), true, audit.RoleRefused},
			} {
				t.Run(tc.name, func(t *testing.T) {
					b := benchOfAll(t)
					if err := b.as(rbac.Engineer).CreateDataSet(bg, acsi.MustRef("CRNLD0/LLN0.measured"), []acsi.Ref{acsi.MustRef("CRNLD0/MMXU1.TotW.db[CF]")}); err != nil {
						t.Fatal(err)
					}
					errs := callService(b.Services(tc.subject), name)
					if (len(errs) > 0) != tc.denied {
						t.Fatalf("got errors %v, want denied=%t", errs, tc.denied)
					}
					if !tc.denied {
						return
					}
					for _, err := range errs {
						if !errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
							t.Errorf("got %v, want object-access-denied", err)
						}
					}
					events := b.events.Events()
					said := strings.Replace(name, "OpenFile", "GetFile", 1) // as IEC 61850-7-2 calls it
					if len(events) != 1 || events[0].ID != tc.event || !strings.HasPrefix(events[0].Text, said+" of ") || !events[0].Time.Equal(noon) {
						t.Errorf("got events %+v, want one %s of %s", events, tc.event, name)
					}
				})
			}
		})
	}
}

func TestR2DeniedByRole(t *testing.T) {
	for _, tc := range []struct {
		name  string
		role  rbac.Role
		write bool
		ref   string
		v     value.Value
		want  string // "" is success
		event audit.ID
	}{
		{"viewer reads", rbac.Viewer, false, "CRNLD0/MMXU1.TotW[MX]", value.Value{}, "", ""},
		{"viewer reads settings", rbac.Viewer, false, "CRNLD0/PTOC1.StrVal[SG]", value.Value{}, "", ""},
		{"viewer reads a control object", rbac.Viewer, false, "CRNLD0/CSWI1.Pos[CO]", value.Value{}, "object-access-denied", audit.AccessDenied},
		{"operator reads a control object", rbac.Operator, false, "CRNLD0/CSWI1.Pos[CO]", value.Value{}, "", ""},
		{"viewer operates", rbac.Viewer, true, "CRNLD0/CSWI1.Pos.Oper.ctlVal[CO]", value.Bool(true), "object-access-denied", audit.AccessDenied},
		{"operator operates", rbac.Operator, true, "CRNLD0/CSWI1.Pos.Oper.ctlVal[CO]", value.Bool(true), "object-access-denied", ""},
		{"engineer operates", rbac.Engineer, true, "CRNLD0/CSWI1.Pos.Oper.ctlVal[CO]", value.Bool(true), "object-access-denied", audit.AccessDenied},
		{"viewer writes a set point", rbac.Viewer, true, "CRNLD0/PTOC1.OpDlTmms.setVal[SP]", value.Int(1), "object-access-denied", audit.AccessDenied},
		{"operator writes a set point", rbac.Operator, true, "CRNLD0/PTOC1.OpDlTmms.setVal[SP]", value.Int(1), "object-access-denied", audit.AccessDenied},
		{"engineer writes a set point", rbac.Engineer, true, "CRNLD0/PTOC1.OpDlTmms.setVal[SP]", value.Int(1), "", audit.ValueWritten},
		{"installer writes configuration", rbac.Installer, true, "CRNLD0/MMXU1.TotW.db[CF]", value.Uint(1), "", audit.ValueWritten},
		{"engineer writes a description", rbac.Engineer, true, "CRNLD0/LLN0.NamPlt.d[DC]", value.Text("x"), "", audit.ValueWritten},
		{"installer edits a setting group", rbac.Installer, true, "CRNLD0/PTOC1.StrVal.setMag.f[SE]", value.Float(1), "object-access-denied", audit.AccessDenied},
		{"engineer edits a setting group", rbac.Engineer, true, "CRNLD0/PTOC1.StrVal.setMag.f[SE]", value.Float(1), "temporarily-unavailable", ""},
		{"installer activates a setting group", rbac.Installer, true, "CRNLD0/LLN0.SGCB.ActSG[SP]", value.Uint(1), "object-access-denied", audit.AccessDenied},
		{"engineer activates a setting group", rbac.Engineer, true, "CRNLD0/LLN0.SGCB.ActSG[SP]", value.Uint(1), "", audit.ValueWritten},
		{"operator substitutes", rbac.Operator, true, "CRNLD0/CSWI1.Pos.subEna[SV]", value.Bool(true), "", audit.ValueWritten},
		{"viewer substitutes", rbac.Viewer, true, "CRNLD0/CSWI1.Pos.subEna[SV]", value.Bool(true), "object-access-denied", audit.AccessDenied},
		{"operator blocks", rbac.Operator, true, "CRNLD0/CSWI1.Pos.blkEna[BL]", value.Bool(true), "", audit.ValueWritten},
		{"engineer writes status", rbac.Engineer, true, "CRNLD0/LLN0.Beh.stVal[ST]", value.Int(1), "object-access-denied", ""},
		{"engineer writes a measurand", rbac.Engineer, true, "CRNLD0/MMXU1.TotW.mag.f[MX]", value.Float(1), "object-access-denied", ""},
		{"engineer writes the extended definition", rbac.Engineer, true, "CRNLD0/LLN0.NamPlt.ldNs[EX]", value.Visible(""), "object-access-denied", ""},
		{"engineer writes the active setting", rbac.Engineer, true, "CRNLD0/PTOC1.StrVal.setMag.f[SG]", value.Float(1), "object-access-denied", ""},
		{"engineer writes what is read only", rbac.Engineer, true, "CRNLD0/LLN0.Mod.ctlModel[CF]", value.Int(1), "object-access-denied", ""},
		{"engineer writes a whole with a part that is read only", rbac.Engineer, true, "CRNLD0/LLN0.Mod[CF]", value.StructureOf(value.Int(1)), "object-access-denied", ""},
		{"viewer may not learn what is not there", rbac.Viewer, true, "CRNLD0/NIX1.Nix.nix[SP]", value.Int(1), "object-access-denied", audit.AccessDenied},
		{"engineer is told", rbac.Engineer, true, "CRNLD0/NIX1.Nix.nix[SP]", value.Int(1), "object-non-existent", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			s, ref := b.as(tc.role), acsi.MustRef(tc.ref)
			before, _ := b.Value(ref)
			var err error
			if tc.write {
				errs, callErr := s.SetDataValues(bg, []acsi.Assignment{{Ref: ref, Value: tc.v}})
				if callErr != nil {
					t.Fatal(callErr)
				}
				err = errs[0]
			} else {
				results, callErr := s.GetDataValues(bg, []acsi.Ref{ref})
				if callErr != nil {
					t.Fatal(callErr)
				}
				err = results[0].Err
			}
			got := ""
			if refused := (*acsi.Error)(nil); errors.As(err, &refused) {
				got = refused.Code.String()
			}
			if got != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			var ids []audit.ID
			for _, e := range b.events.Events() {
				ids = append(ids, e.ID)
				if e.Subject != "ann@dso.example" || e.Peer != "ann@dso.example/IEC-1" || !strings.Contains(e.Text, tc.ref) || len(e.Roles) != 1 {
					t.Errorf("event %+v does not say who and what", e)
				}
			}
			want := []audit.ID{tc.event}
			if tc.event == "" {
				want = nil
			}
			if d := cmp.Diff(want, ids); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			after, _ := b.Value(ref)
			if changed := !before.Equal(after); changed != (tc.write && tc.want == "") {
				t.Errorf("changed: %t (from %v to %v)", changed, before, after)
			}
		})
	}
}

func TestR2HiddenLogicalDeviceIsAbsent(t *testing.T) {
	b := newBench(t)
	half := subject(rbac.Engineer)
	half.Grants[0].AOR = "Freely*"
	s := b.Services(half)
	lds, err := s.GetServerDirectory(bg)
	if d := cmp.Diff([]string{"FreelyNamed"}, lds); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if events := b.events.Events(); len(events) != 0 {
		t.Errorf("what was not asked for is no event: %+v", events)
	}
	// A device that is hidden and one that does not exist cannot be told apart.
	for _, ld := range []string{"CRNLD0", "NOSUCH"} {
		results, err := s.GetDataValues(bg, []acsi.Ref{acsi.MustRef(ld + "/LLN0.Beh[ST]")})
		if err != nil || !errors.Is(results[0].Err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			t.Errorf("%s: read: %v %v", ld, err, results)
		}
		if _, err := s.GetLogicalDeviceDirectory(bg, ld); !errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			t.Errorf("%s: directory: %v", ld, err)
		}
		if _, err := s.GetDataDefinition(bg, acsi.MustRef(ld+"/LLN0")); !errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			t.Errorf("%s: definition: %v", ld, err)
		}
	}
	if got := len(b.events.Events()); got != 6 {
		t.Errorf("%d events, want one for each of 6 denials", got)
	}
}

func TestR3RoleThatRunsOutIsGoneAtTheNextService(t *testing.T) {
	b := newBench(t)
	who := subject(rbac.Engineer)
	who.Grants[0].NotAfter = noon.Add(time.Minute)
	s := b.Services(who)
	write := func() error {
		errs, err := s.SetDataValues(bg, []acsi.Assignment{{Ref: acsi.MustRef("CRNLD0/MMXU1.TotW.db[CF]"), Value: value.Uint(7)}})
		return errors.Join(append(errs, err)...)
	}
	if err := write(); err != nil {
		t.Errorf("while it holds: %v", err)
	}
	b.now = noon.Add(2 * time.Minute)
	if err := write(); !errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
		t.Errorf("afterwards: %v", err)
	}
	events := b.events.Events()
	if len(events) != 2 || events[0].ID != audit.ValueWritten || events[1].ID != audit.RoleWithdrawn {
		t.Errorf("got %+v", events)
	}
	who.Grants[0].NotAfter = noon.Add(time.Hour)
	if err := write(); err == nil {
		t.Error("the caller's Subject changes what the peer may do")
	}
}

func TestManyDenialsOfOneServiceAreOneEvent(t *testing.T) {
	b := newBench(t)
	list := make([]acsi.Ref, 50)
	for i := range list {
		list[i] = acsi.MustRef(fmt.Sprintf("CRNLD0/NIX%d.A[CO]", i))
	}
	list = append(list, acsi.MustRef("CRNLD0/LLN0.Beh[ST]"))
	results, err := b.as(rbac.Viewer).GetDataValues(bg, list)
	if err != nil || results[50].Err != nil || results[0].Err == nil {
		t.Fatalf("got %v %v", err, results)
	}
	events := b.events.Events()
	want := "GetDataValues of CRNLD0/NIX0.A[CO], CRNLD0/NIX1.A[CO], CRNLD0/NIX2.A[CO] and 47 more takes the right CONTROL: the role does not carry the right"
	if len(events) != 1 || events[0].Text != want {
		t.Errorf("got %+v, want %s", events, want)
	}
}
