package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/rbac"
)

// unhex decodes hexadecimal with spaces, in which "text" stands for its octets.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		out = append(out, must(hex.DecodeString(strings.ReplaceAll(part, " ", "")))(t)...)
	}
	return out
}

// An example of IECUserRoles with all but the last of its fields.
const sampleRoles = `30 27 30 25 30 04 02 02 00FF 0C 0A "Outstation" 02 02 00FF 0C 0A "IEC62351-8" 0A 01 03`

// IEC 62351-8
func TestRolesAreRead(t *testing.T) {
	grant := rbac.Grant{Role: rbac.Operator, AOR: "*", Revision: 1}
	cases := []struct {
		name, der string
		want      []rbac.Grant
	}{
		{"sample", sampleRoles, []rbac.Grant{{Role: 255, AOR: "Outstation", Revision: 255, Definition: "IEC62351-8"}}},
		{"no entry", `30 00`, nil},
		{"least entry", `30 0D 30 0B 30 03 02 01 01 0C 01 "*" 02 01 01`, []rbac.Grant{grant}},
		{"two roles of one entry", `30 10 30 0E 30 06 02 01 01 02 01 FF 0C 01 "*" 02 01 01`,
			[]rbac.Grant{grant, {Role: -1, AOR: "*", Revision: 1}}},
		{"two entries", `30 1A 30 0B 30 03 02 01 01 0C 01 "*" 02 01 01 30 0B 30 03 02 01 05 0C 01 "A" 02 01 02`,
			[]rbac.Grant{grant, {Role: rbac.SECAUD, AOR: "A", Revision: 2}}},
		{"entry without a role", `30 0A 30 08 30 00 0C 01 "*" 02 01 01`, nil},
		{"with a sequence number", `30 10 30 0E 30 03 02 01 01 0C 01 "*" 02 01 01 02 01 07`, []rbac.Grant{grant}},
		{"added", `30 13 30 11 30 03 02 01 01 0C 01 "*" 02 01 01 0A 01 01 02 01 07`, []rbac.Grant{grant}},
		{"deleted", `30 10 30 0E 30 03 02 01 01 0C 01 "*" 02 01 01 0A 01 02`, nil},
		{"lowest and highest number", `30 12 30 10 30 08 02 02 8000 02 02 7FFF 0C 01 "*" 02 01 01`,
			[]rbac.Grant{{Role: -32768, AOR: "*", Revision: 1}, {Role: 32767, AOR: "*", Revision: 1}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseRoles(unhex(t, c.der))
			if err != nil {
				t.Fatalf("parseRoles(%s): %v", c.der, err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("parseRoles(%s) (-want +got):\n%s", c.der, d)
			}
		})
	}
}

func TestMalformedRolesAreRefused(t *testing.T) {
	sample := unhex(t, sampleRoles)
	for n := range len(sample) {
		if got, err := parseRoles(sample[:n]); err == nil {
			t.Errorf("accepted the first %d octets of the sample: %v", n, got)
		}
	}
	many := bytes.Repeat([]byte{2, 1, 1}, maxGrants+1)
	for name, der := range map[string]string{
		"octets behind":               sampleRoles + "00",
		"not a sequence":              `31 00`,
		"length not minimal":          `30 81 0D 30 0B 30 03 02 01 01 0C 01 "*" 02 01 01`,
		"indefinite length":           `30 80 30 0B 30 03 02 01 01 0C 01 "*" 02 01 01 00 00`,
		"role too large":              `30 0F 30 0D 30 05 02 03 00FFFF 0C 01 "*" 02 01 01`,
		"role too small":              `30 0F 30 0D 30 05 02 03 FF7FFF 0C 01 "*" 02 01 01`,
		"role not minimal":            `30 0E 30 0C 30 04 02 02 0001 0C 01 "*" 02 01 01`,
		"role is a string":            `30 0D 30 0B 30 03 0C 01 31 0C 01 "*" 02 01 01`,
		"no aor":                      `30 0A 30 08 30 03 02 01 01 02 01 01`,
		"aor not UTF-8":               `30 0D 30 0B 30 03 02 01 01 0C 01 FF 02 01 01`,
		"aor an IA5String":            `30 0D 30 0B 30 03 02 01 01 16 01 "*" 02 01 01`,
		"no revision":                 `30 0A 30 08 30 03 02 01 01 0C 01 "*"`,
		"revision beyond 32 bits":     `30 11 30 0F 30 03 02 01 01 0C 01 "*" 02 05 0100000000`,
		"definition not UTF-8":        `30 10 30 0E 30 03 02 01 01 0C 01 "*" 02 01 01 0C 01 FF`,
		"definition twice":            `30 13 30 11 30 03 02 01 01 0C 01 "*" 02 01 01 0C 01 "a" 0C 01 "b"`,
		"unknown field":               `30 10 30 0E 30 03 02 01 01 0C 01 "*" 02 01 01 04 01 00`,
		"more roles than are allowed": "30 81D2 30 81CF 30 81C3" + hex.EncodeToString(many) + `0C 01 "*" 02 01 01`,
	} {
		if got, err := parseRoles(unhex(t, der)); err == nil {
			t.Errorf("%s: accepted as %v", name, got)
		}
	}
}

func TestRolesAreWrittenAndReadAlike(t *testing.T) {
	p := rbac.DefaultPolicy()
	grants := []rbac.Grant{p.NewGrant(rbac.Viewer, "*"), p.NewGrant(rbac.SECAUD, "*"), p.NewGrant(rbac.Operator, "PV*,BAT?LD0"), {Role: -7, AOR: "é"}}
	der := must(marshalRoles(grants))(t)
	want := unhex(t, `30 4F 30 1A 30 06 02 01 00 02 01 05 0C 01 "*" 02 01 01 0C 0A "IEC62351-8"`+
		`30 21 30 03 02 01 01 0C 0B "PV*,BAT?LD0" 02 01 01 0C 0A "IEC62351-8"`+
		`30 0C 30 03 02 01 F9 0C 02 "é" 02 01 00`)
	want[1] = byte(len(want) - 2)
	if !bytes.Equal(der, want) {
		t.Errorf("got  %x\nwant %x", der, want)
	}
	if d := cmp.Diff(grants, must(parseRoles(der))(t)); d != "" {
		t.Errorf("read again (-want +got):\n%s", d)
	}
	for name, bad := range map[string][]rbac.Grant{
		"aor not UTF-8":        {{AOR: "\xff"}},
		"definition not UTF-8": {{Definition: "\xff"}},
		"revision too large":   {{Revision: 1 << 40}},
		"too many":             slices.Repeat([]rbac.Grant{{}}, maxGrants+1),
	} {
		if der, err := marshalRoles(bad); err == nil {
			t.Errorf("%s: written as %x", name, der)
		}
	}
}

func TestBothRolesExtensionsAreReadAndTheNewerWins(t *testing.T) {
	h := newHierarchy(t, E2E)
	viewer := must(marshalRoles([]rbac.Grant{{Role: rbac.Viewer, AOR: "*", Revision: 1}}))(t)
	operator := must(marshalRoles([]rbac.Grant{{Role: rbac.Operator, AOR: "*", Revision: 1}}))(t)
	cases := []struct {
		name         string
		older, newer []byte
		want         []rbac.Role
	}{
		{"none", nil, nil, nil},
		{"older", operator, nil, []rbac.Role{rbac.Operator}},
		{"newer", nil, viewer, []rbac.Role{rbac.Viewer}},
		{"both", operator, viewer, []rbac.Role{rbac.Viewer}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := mint(t, h.issuing, forE2E, func(d *draft) {
				d.roles = c.newer
				if c.older != nil {
					d.ExtraExtensions = []pkix.Extension{{Id: oidRoles2011, Value: c.older}}
				}
			})
			var got []rbac.Role
			for _, g := range must(h.trust.VerifyE2E(chain, time.Now()))(t).Grants() {
				got = append(got, g.Role)
				if !g.NotBefore.Equal(chain[0].NotBefore) || !g.NotAfter.Equal(chain[0].NotAfter) {
					t.Errorf("%v is valid from %v to %v, its certificate from %v to %v", g.Role, g.NotBefore, g.NotAfter, chain[0].NotBefore, chain[0].NotAfter)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("roles (-want +got):\n%s", d)
			}
		})
	}
}

func TestRolesExtensionIsWrittenAsTheNewerOneAndNotCritical(t *testing.T) {
	h := newHierarchy(t, E2E)
	id := must(h.issuing.IssueE2E("op@site.example", []rbac.Grant{{Role: rbac.Operator}}))(t)
	find := func(c *x509.Certificate, oid string) []pkix.Extension {
		var found []pkix.Extension
		for _, e := range c.Extensions {
			if e.Id.String() == oid {
				found = append(found, e)
			}
		}
		return found
	}
	if got := find(id.Chain[0], "1.0.62351.8.1"); len(got) != 1 || got[0].Critical {
		t.Errorf("extensions 1.0.62351.8.1 are %v, want one that is not critical", got)
	}
	if got := find(id.Chain[0], "1.2.840.10070.8.1"); len(got) != 0 {
		t.Errorf("the older extension is written: %v", got)
	}
	ied := must(h.issuing.IssueE2E("ied@site.example", nil))(t)
	if got := find(ied.Chain[0], "1.0.62351.8.1"); len(got) != 0 {
		t.Errorf("a certificate without roles has the extension %v", got)
	}
}
