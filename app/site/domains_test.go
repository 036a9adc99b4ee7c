package site

import (
	"os"
	"strings"
	"testing"
)

// openWith opens a new site of dso.example with more in its busbar.yaml.
func openWith(t *testing.T, more string) (*Site, error) {
	t.Helper()
	s, err := Init(t.TempDir(), "dso.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(FileName), []byte("domain: dso.example\n"+more), 0o644); err != nil {
		t.Fatal(err)
	}
	return Open(s.Dir)
}

func TestDomainsThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"own domain", "domains: {DSO.example: {}}", "the site's own"},
		{"twice", "domains: {utility.example: {}, Utility.Example: {}}", "is there already"},
		{"no domain", "domains: {a@b: {}}", "a@b"},
		{"address without a port", "domains: {utility.example: {connect: [host]}}", `"host" is not HOST:PORT`},
		{"role that does not exist", "domains: {utility.example: {e2e: {roles: [KING]}}}", "KING"},
		{"field that does not exist", "domains: {utility.example: {e2e: {root: [x]}}}", "there is no field root"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := openWith(t, tt.yaml)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s gives the error %v, want one with %q", tt.yaml, err, tt.want)
			}
		})
	}
}

func TestPeersOfOtherDomains(t *testing.T) {
	s, err := openWith(t, "domains: {utility.example: {}}")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ text, want string }{
		{"pv1", "pv1@dso.example"},
		{"pv1@dso.example/IEC", "pv1@dso.example/IEC"},
		{"ems@utility.example", "ems@utility.example"},
		{"ems@Utility.Example/IEC", "ems@utility.example/IEC"},
		{"ems@elsewhere.example", ""},
		{"ems@sub.utility.example", ""},
	} {
		j, err := s.Peer(tt.text)
		if err != nil && tt.want != "" || err == nil && j.String() != tt.want {
			t.Errorf("%s is %v, %v, want %s", tt.text, j, err, tt.want)
		}
		if err != nil && !strings.Contains(HintFor(err), "utility.example") {
			t.Errorf("%s: the hint %q does not say which domains are known", tt.text, HintFor(err))
		}
	}
}
