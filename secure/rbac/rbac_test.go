package rbac

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The matrix as the policy's authors drew it, in the order of its columns.
const matrix = `
          VIEW READ DATASET REPORTING FILEREAD FILEWRITE FILEMNGT CONTROL CONFIG SETTINGGROUP SECURITY SECURITY(roles)
VIEWER    x    x    -       x         -        -         -        -       -      -            -        -
OPERATOR  x    x    -       x         -        -         -        x       -      -            -        -
ENGINEER  x    x    x       x         x        x         x        -       x      x            -        -
INSTALLER x    x    -       x         -        x         -        -       x      -            -        -
SECADM    x    x    -       -         -        -         -        -       -      -            x        x
SECAUD    x    x    -       x         x        -         -        -       -      -            -        -
RBACMNT   x    x    -       -         -        -         -        -       -      -            -        x
`

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestDecideFollowsTheMatrix(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(matrix), "\n")
	columns := strings.Fields(lines[0])
	if len(columns) != len(rightNames) || len(lines)-1 != len(roleNames) {
		t.Fatalf("the test's matrix is %d×%d, want %d×%d", len(lines)-1, len(columns), len(roleNames), len(rightNames))
	}
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		role, err := ParseRole(cells[0])
		if err != nil {
			t.Fatal(err)
		}
		s := Subject{Name: "a@b", Grants: []Grant{DefaultPolicy().NewGrant(role, "")}}
		for i, cell := range cells[1:] {
			right := Right(1) << i
			if right.String() != columns[i] {
				t.Fatalf("column %d is %s, right is %s", i, columns[i], right)
			}
			want := cell == "x"
			for name, p := range map[string]*Policy{"nil": nil, "default": DefaultPolicy()} {
				got := p.Decide(s, right, "LD0", noon)
				if got.Allowed != want || (got.Reason == Granted) != want {
					t.Errorf("%s policy: %s, %s: got %+v, want allowed=%t", name, role, right, got, want)
				}
			}
		}
	}
}

func TestDecideReasons(t *testing.T) {
	grant := func(edit func(*Grant)) Grant {
		g := (*Policy)(nil).NewGrant(Operator, "PV1*")
		edit(&g)
		return g
	}
	viewer := (*Policy)(nil).NewGrant(Viewer, "*")
	engineer := (*Policy)(nil).NewGrant(Engineer, "*")
	cases := []struct {
		name   string
		grants []Grant
		right  Right
		ld     string
		want   Reason
	}{
		{"no role at all", nil, Read, "PV1LD0", NoRole},
		{"no right asked for", []Grant{viewer}, 0, "PV1LD0", NoRole},
		{"right that does not exist", []Grant{viewer}, 1 << 15, "PV1LD0", RightNotInRole},
		{"granted", []Grant{grant(func(*Grant) {})}, Control, "PV1LD0", Granted},
		{"R1 private role id", []Grant{grant(func(g *Grant) { g.Role = -5 })}, Read, "PV1LD0", UnknownRole},
		{"R1 role id not assigned", []Grant{grant(func(g *Grant) { g.Role = 7 })}, Read, "PV1LD0", UnknownRole},
		{"R1 older revision", []Grant{grant(func(g *Grant) { g.Revision-- })}, Control, "PV1LD0", RevisionMismatch},
		{"R1 newer revision", []Grant{grant(func(g *Grant) { g.Revision++ })}, Control, "PV1LD0", RevisionMismatch},
		{"R1 other definition", []Grant{grant(func(g *Grant) { g.Definition = "ACME" })}, Control, "PV1LD0", DefinitionMismatch},
		{"no definition is the IEC's", []Grant{grant(func(g *Grant) { g.Definition = "" })}, Control, "PV1LD0", Granted},
		{"R1 wrong aor", []Grant{grant(func(*Grant) {})}, Control, "BAT1LD0", OutsideAOR},
		{"limited aor does not cover the server", []Grant{grant(func(*Grant) {})}, Control, "", OutsideAOR},
		{"unlimited aor covers the server", []Grant{viewer}, Read, "", Granted},
		{"R1 expired", []Grant{grant(func(g *Grant) { g.NotAfter = noon.Add(-time.Second) })}, Control, "PV1LD0", Expired},
		{"not yet valid", []Grant{grant(func(g *Grant) { g.NotBefore = noon.Add(time.Second) })}, Control, "PV1LD0", NotYetValid},
		{"valid to the second", []Grant{grant(func(g *Grant) { g.NotBefore, g.NotAfter = noon, noon })}, Control, "PV1LD0", Granted},
		{"R2 viewer operates", []Grant{viewer}, Control, "PV1LD0", RightNotInRole},
		{"the closest reason is given", []Grant{viewer, grant(func(g *Grant) { g.NotAfter = noon.Add(-1) })}, Control, "PV1LD0", Expired},
		{"grants add up", []Grant{grant(func(*Grant) {}), engineer}, Control | Config, "PV1LD0", Granted},
		{"grants add up within their areas only", []Grant{grant(func(*Grant) {}), engineer}, Control | Config, "BAT1LD0", OutsideAOR},
		{"one of two rights is not enough", []Grant{viewer}, Read | Control, "PV1LD0", RightNotInRole},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := (*Policy)(nil).Decide(Subject{Name: "a@b", Grants: c.grants}, c.right, c.ld, noon)
			if got.Reason != c.want || got.Allowed != (c.want == Granted) {
				t.Errorf("Decide(%+v, %s, %q) = %+v, want %q", c.grants, c.right, c.ld, got, c.want)
			}
		})
	}
}

func TestZeroPolicyDeniesEverything(t *testing.T) {
	s := Subject{Name: "a@b", Grants: []Grant{{Role: Viewer}, {Role: SECADM}}}
	if got := new(Policy).Decide(s, View, "LD0", noon); got.Allowed {
		t.Errorf("got %+v, want a denial", got)
	}
}

func TestDefaultPolicyIsACopy(t *testing.T) {
	DefaultPolicy().Rights[Viewer] = Control
	s := Subject{Grants: []Grant{(*Policy)(nil).NewGrant(Viewer, "")}}
	if got := (*Policy)(nil).Decide(s, Control, "LD0", noon); got.Allowed {
		t.Errorf("changing a copy changed the policy: %+v", got)
	}
}

func TestAreaOfResponsibility(t *testing.T) {
	cases := []struct {
		aor, ld string
		want    bool
	}{
		{"", "LD0", true},
		{"*", "LD0", true},
		{"*", "", true},
		{"LD0", "LD0", true},
		{"LD0", "LD00", false},
		{"LD0", "ld0", false},
		{"LD?", "LD0", true},
		{"LD?", "LD", false},
		{"PV*", "PV1LD0", true},
		{"*LD0", "PV1LD0", true},
		{"*LD0", "PV1LD0LD0", true},
		{"P*1*0", "PV1LD0", true},
		{"P*2*0", "PV1LD0", false},
		{"PV*,BAT1LD0", "BAT1LD0", true},
		{"PV*,BAT1LD0", "BAT1LD1", false},
		{"PV*, BAT1LD0", "BAT1LD0", false},
		{",", "LD0", false},
		{",", "", false},
		{"**", "LD0", true},
		{"**", "", false},
		{"?", "", false},
		{strings.Repeat("*a", 2000) + "b", strings.Repeat("a", 64), false},
	}
	for _, c := range cases {
		if got := covers(c.aor, c.ld); got != c.want {
			t.Errorf("covers(%.40q, %q) = %t, want %t", c.aor, c.ld, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	got := []string{
		Viewer.String(), RBACMNT.String(), Role(-1).String(), Role(7).String(),
		Right(0).String(), (View | SettingGroup).String(), (Security | 1<<14).String(),
	}
	want := []string{"VIEWER", "RBACMNT", "role(-1)", "role(7)", "none", "VIEW|SETTINGGROUP", "SECURITY|right(0x4000)"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	if r, err := ParseRole("operator"); r != Operator || err != nil {
		t.Errorf(`ParseRole("operator") = %v, %v`, r, err)
	}
	if _, err := ParseRole("ROOT"); err == nil || !strings.Contains(err.Error(), "SECADM") {
		t.Errorf(`ParseRole("ROOT") error = %v, want one that lists the roles`, err)
	}
}

func BenchmarkDecide(b *testing.B) {
	s := Subject{Name: "a@b", Grants: []Grant{(*Policy)(nil).NewGrant(Operator, "PV*,BAT*")}}
	b.ReportAllocs()
	for b.Loop() {
		if !(*Policy)(nil).Decide(s, Read, "BAT1LD0", noon).Allowed {
			b.Fatal("denied")
		}
	}
}
