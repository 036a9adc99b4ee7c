package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"busbar.example/acsi/client"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// Utility is the XMPP domain of the demo's second site, whose client talks to the IEDs of the first.
const Utility = "utility.example"

// What the certificates of the utility's client give it at home, and which of it counts here.
var (
	rolesThere = []string{"ENGINEER", "OPERATOR"}
	rolesHere  = "OPERATOR"
)

// makeUtility makes the second site, and has the two know each other: who vouches for whom, where the brokers meet, who may
// talk to whom.
func (d *demo) makeUtility(dir string) (err error) {
	if d.utility, err = site.Init(dir, Utility); err != nil {
		return err
	}
	j, err := d.utility.Account(ems)
	if err != nil {
		return err
	}
	if err := d.utility.Issue(j, rolesThere, "", false); err != nil {
		return err
	}
	// Each broker has to be told where the other listens before either starts.
	for _, meet := range []*net.Listener{&d.meetHere, &d.meetThere} {
		if *meet, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	if err := introduce(d.site, d.utility, d.meetThere.Addr(), rolesHere); err != nil {
		return err
	}
	if err := introduce(d.utility, d.site, d.meetHere.Addr(), ""); err != nil {
		return err
	}
	if d.site, err = site.Open(d.site.Dir); err != nil {
		return err
	}
	d.utility, err = site.Open(d.utility.Dir)
	return err
}

// introduce gives a site what another hands out: its roots and revocation lists, where its broker listens for others, and
// which roles it may bring; and lets the utility's client and the IEDs talk.
func introduce(to, other *site.Site, meet net.Addr, roles string) error {
	folder := filepath.Join("pki", other.Domain)
	if err := os.Mkdir(to.Path(folder), 0o755); err != nil {
		return err
	}
	for _, file := range []string{"e2m/root.crt", "e2e/root.crt", "e2m-root.crl", "e2m-issuing.crl", "e2e-root.crl", "e2e-issuing.crl"} {
		text, err := os.ReadFile(other.Path("pki", file))
		if err != nil {
			return err
		}
		if err := os.WriteFile(to.Path(folder, strings.ReplaceAll(file, "/", "-")), text, 0o644); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(to.Path(site.FileName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, `
domains:
  %[1]s:
    connect: [%[2]v]
    e2m: {roots: [%[3]s/e2m-root.crt], crls: [%[3]s/e2m-root.crl, %[3]s/e2m-issuing.crl]}
    e2e: {roots: [%[3]s/e2e-root.crt], crls: [%[3]s/e2e-root.crl, %[3]s/e2e-issuing.crl], roles: [%[4]s]}
broker:
  rules:
    - allow: {between: [%[5]s@%[6]s, "*@%[7]s"]}
`, other.Domain, meet, folder, roles, ems, Utility, Domain)
	return errors.Join(err, f.Close())
}

// acrossDomains has the utility's client read from an IED of the other domain, operate its breaker, and be refused what only a role
// allows that does not count there.
func (d *demo) acrossDomains(ctx context.Context) error {
	d.print("\nFederated  %s has a site, a broker and authorities of its own\n", Utility)
	d.print("           brokers    %s at %v, %s at %v, TLS and SASL EXTERNAL both ways\n", Domain, d.meetHere.Addr(), Utility, d.meetThere.Addr())
	d.print("           roles      %s of what %s certifies\n", rolesHere, Utility)
	to := "pv1@" + Domain
	return d.dialFrom(ctx, d.utility, ems, to, func(ctx context.Context, j jid.JID, c *site.Client) error {
		d.print("\nClient     %v, whose authority makes it %s\n", j, strings.Join(rolesThere, " and "))
		if end, ok := c.Link.Info(); ok {
			d.print("E2E        %s, %s, %s, association %s\n", end.Signature, end.Group, end.Protection, end.AssoID)
			d.print("           the IED is      %s\n", certificate(end.Peer))
			d.print("           the client is   %s\n", certificate(end.Local))
		}
		peer := client.New(c)
		if err := d.read(ctx, to, peer, readings["pv1"]...); err != nil {
			return err
		}
		return d.refused(ctx, c, fmt.Sprintf("%s as %v, %s of whose roles counts", to, j.Bare(), rolesHere))
	})
}

// leaveMeetings closes what no broker has come to close.
func (d *demo) leaveMeetings() {
	for _, l := range []net.Listener{d.meetHere, d.meetThere} {
		if l != nil {
			l.Close()
		}
	}
}
