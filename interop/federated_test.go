//go:build interop

package interop_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/app/site"
	"busbar.example/internal/foreign"
)

// TestSecuredPathBetweenDomains has a client of one domain work with an IED of the other, protected from end to end: our broker
// serves one of the domains, a server of another make the other.
//
// IEC 61850-8-2; IEC 62351-4
func TestSecuredPathBetweenDomains(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			here, there := newAbroadOf(t, domain), newAbroadOf(t, utility)
			names, err := foreign.NewNames()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { names.Close() })
			options := there.options()
			options.Roots, options.DNS = append(options.Roots, here.options().Roots...), names.Address()
			s, err := start(options)
			server := started(t, s, err)

			peers, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(names.Set(utility, server.Peers), names.Set(domain, peers.Addr().String())); err != nil {
				t.Fatal(err)
			}
			here.connect(here.knows(there, server.Peers))
			there.connect(there.knows(here, peers.Addr().String()), server)
			run(t, func(ctx context.Context, ready func()) error {
				return here.site.RunBroker(ctx, site.BrokerOptions{Listen: "127.0.0.1:0", PeersListener: peers, Ready: func(net.Addr) { ready() }})
			})

			here.ied("fdr1", site.IEDOptions{Files: t.TempDir()})
			there.ied("fdr2", site.IEDOptions{Files: t.TempDir()})
			for _, way := range []struct {
				from *abroad
				to   string
			}{{there, "fdr1@" + domain}, {here, "fdr2@" + utility}} {
				c, _ := way.from.dial(ctx, site.Party{}, way.to)
				for _, ref := range []string{"FDR1LD0/XCBR1.Pos[ST]", "FDR1LD0/MMXU1[MX]"} {
					if got, err := c.Read(ctx, acsi.MustRef(ref)); err != nil || got[0].Err != nil {
						t.Errorf("read of %s at %s: %v, %v", ref, way.to, got, err)
					}
				}
				way.from.operate(ctx, c, "FDR1LD0/CSWI1.Pos", "off")
				way.from.transfer(ctx, c, 300_000)
			}

			// What no rule allows is refused at our broker, from wherever it comes.
			there.issue("guest", "VIEWER")
			j, err := there.site.Account("guest")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := there.site.Dial(ctx, site.Party{JID: j}, "fdr1@"+domain); err == nil || !strings.Contains(err.Error(), "forbidden") {
				t.Errorf("who may not talk to the IED: %v, want forbidden", err)
			}
		})
	}
}

// knows gives a site what another hands out, and returns what its busbar.yaml says of it.
func (a *abroad) knows(other *abroad, peers string) string {
	a.Helper()
	folder := filepath.Join("pki", other.site.Domain)
	if err := os.Mkdir(a.site.Path(folder), 0o755); err != nil {
		a.Fatal(err)
	}
	for _, file := range []string{"e2m/root.crt", "e2e/root.crt"} {
		text := read(a, other.site.Path("pki", file))
		if err := os.WriteFile(a.site.Path(folder, strings.ReplaceAll(file, "/", "-")), []byte(text), 0o644); err != nil {
			a.Fatal(err)
		}
	}
	return fmt.Sprintf(`
domains:
  %[1]s:
    connect: [%[2]s]
    e2m: {roots: [%[3]s/e2m-root.crt]}
    e2e: {roots: [%[3]s/e2e-root.crt], roles: [ENGINEER, OPERATOR]}
broker:
  rules:
    - allow: {between: ["ems@%[1]s", "*@%[4]s"]}
    - allow: {between: ["ems@%[4]s", "*@%[1]s"]}
`, other.site.Domain, peers, folder, a.site.Domain)
}
