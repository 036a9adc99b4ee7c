package site

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"busbar.example/acsi"
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

func TestADamagedStateIsSaid(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(file, []byte("this is no database, and never was one; it is long enough to tell, though"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.RunIED(context.Background(), IEDOptions{SCL: "../demo/scl/pv.cid", State: file})
	wantError(t, err, "damaged", "begins anew")
}
