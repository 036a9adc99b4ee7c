package site

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/server/durable"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// What clients have made of an IED outlives it, in the site's folder or where --state says, unless it says none.
func TestTheStateOutlivesAnIED(t *testing.T) {
	engineer := rbac.Subject{Name: "ann@dso.example", Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Engineer, "*")}}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.db")
	set := acsi.MustRef("PV1LD0/LLN0.Mine")
	for _, test := range []struct {
		name, state, file string // that of the state, within the site
		kept              bool
	}{
		{"by default", "", filepath.Join("state", "PV1.db"), true},
		{"elsewhere", elsewhere, "", true},
		{"nowhere", NoState, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			run := func(f func(services acsi.Services)) {
				t.Run("run", func(t *testing.T) {
					f(onLine(t, s, IEDOptions{State: test.state}).Engine.Services(engineer))
				})
			}
			run(func(services acsi.Services) {
				if err := services.CreateDataSet(t.Context(), set, []acsi.Ref{acsi.MustRef("PV1LD0/MMXU1.TotW[MX]")}); err != nil {
					t.Fatal(err)
				}
			})
			run(func(services acsi.Services) {
				if _, err := services.GetDataSetDirectory(t.Context(), set); (err == nil) != test.kept {
					t.Errorf("after a restart: %v", err)
				}
			})
			if _, err := os.Stat(s.Path("state", "PV1.db")); (err == nil) != (test.file != "") {
				t.Errorf("in the site's folder: %v", err)
			}
		})
	}
}

func TestTwoIEDsDoNotShareAState(t *testing.T) {
	s := newSite(t)
	onLine(t, s, IEDOptions{})
	err := s.RunIED(context.Background(), IEDOptions{SCL: "../demo/scl/pv.cid"})
	wantError(t, err, "in use", "--state")
}

// What cannot be opened is said before the IED is on line, with what to do about it.
func TestAStateThatCannotBeOpened(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged.db")
	if err := os.WriteFile(damaged, []byte("this is no database, and never was one; it is long enough to tell, though"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, file, says, hint string }{
		{"damaged", damaged, "damaged", "begins anew"},
		{"in no folder", filepath.Join(dir, "nix", "state.db"), "no such file", "--state none"},
		{"a folder", dir, "is a directory", "--state none"},
		{"below a file", filepath.Join(damaged, "state.db"), "not a directory", "let this user write"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantError(t, s.RunIED(t.Context(), IEDOptions{SCL: "../demo/scl/pv.cid", State: tc.file}), tc.says, tc.hint)
		})
	}
	wantError(t, stateHint(fmt.Errorf("durable: x has %w", durable.ErrFull)), "no more room", "state_size")
}

// Whether the state outlives the IED is for the log too: it is not on anybody's mind who looks at events of security.
func TestTheLogHearsThatNothingIsKept(t *testing.T) {
	var said bytes.Buffer
	var events audit.Memory
	k := stateKeeper{&events, slog.New(slog.NewTextHandler(&said, nil))}
	for _, id := range []audit.ID{audit.StateLost, audit.StateRestored, audit.ValueWritten} {
		k.Record(audit.Event{ID: id, Text: string(id)})
	}
	if got := said.String(); len(events.Events()) != 3 || strings.Count(got, "\n") != 2 || !strings.Contains(got, "ERROR") || !strings.Contains(got, "WARN") {
		t.Errorf("%d events, and the log says\n%s", len(events.Events()), got)
	}
}

func TestBusbarYAMLOnIEDs(t *testing.T) {
	for _, tc := range []struct{ name, text, err, hint string }{
		{"nothing", "ied: {}", "", ""},
		{"all of it", "ied: {associations: 1, reports_per_account: 1, reservation: 1s, report_buffer: 65536, log_size: 65536, state_size: 1048576}", "", ""},
		{"no association", "ied: {associations: -1}", "associations: -1", "leave it out"},
		{"too many associations", "ied: {associations: 10001}", "is not 1 to 10000", "another number"},
		{"no room for a report", "ied: {report_buffer: 4095}", "report_buffer: 4095", "octets"},
		{"no room for an entry", "ied: {log_size: 1}", "log_size: 1", "octets"},
		{"no room for a state", "ied: {state_size: 1000000}", "state_size: 1000000", "octets"},
		{"no control blocks", "ied: {reports_per_account: -1}", "reports_per_account: -1", "leave it out"},
		{"a reservation that ResvTms cannot say", "ied: {reservation: 10h}", "reservation: 10h", "such as 30m"},
		{"an unknown field", "ied: {reports: 1}", "no field reports", "report_buffer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			if err := os.WriteFile(s.Path(FileName), []byte("domain: "+domain+"\n"+tc.text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(s.Dir)
			if tc.err != "" {
				wantError(t, err, tc.err, tc.hint)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestHowManyAssociations(t *testing.T) {
	for _, tc := range []struct{ site, file, want int }{{0, 0, 256}, {0, 8, 8}, {3, 8, 3}, {3, 0, 3}} {
		model := &acsi.Model{Services: acsi.Abilities{MaxAttachments: tc.file}}
		if got := (IEDs{Associations: tc.site}).associationsOf(model); got != tc.want {
			t.Errorf("busbar.yaml %d, SCL %d: got %d, want %d", tc.site, tc.file, got, tc.want)
		}
	}
}
