package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// What the tour reads and writes.
var (
	readings = map[string][]string{
		"pv1":  {"PV1LD0/MMXU1.TotW[MX]", "PV1LD0/MMXU1.Hz[MX]", "PV1LD0/DGEN1.WMax.setMag.f[SP]"},
		"bat1": {"BAT1LD0/DSTO1.EffWhPct[MX]"},
		"fdr1": {"FDR1LD0/XCBR1.Pos[ST]"},
	}
	setting = acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
)

const limit = "80" // kW

// tourTime bounds each step of the tour.
const tourTime = 30 * time.Second

// tour connects, reads, writes, operates, follows what is reported of it, and is refused; it fails unless each goes as it must.
func (d *demo) tour(ctx context.Context) error {
	for _, names := range readings {
		for _, name := range names {
			ref := acsi.MustRef(name)
			d.routed.lookFor(ref.LD(), ref.LN()+"$"+ref.FC().String()+"$") // as they are named in MMS
		}
	}
	for i, p := range plants {
		if err := d.visit(ctx, p, i == 0); err != nil {
			return err
		}
	}
	if d.mms {
		if err := d.bothWays(ctx); err != nil {
			return err
		}
	}
	if err := d.operate(ctx); err != nil {
		return err
	}
	if err := d.refusal(ctx); err != nil {
		return err
	}
	if d.utility != nil {
		if err := d.acrossDomains(ctx); err != nil {
			return err
		}
	}
	return d.routed.report(d)
}

// dial connects a client to an IED and hands it to do.
func (d *demo) dial(ctx context.Context, account, ied string, do func(context.Context, jid.JID, *site.Client) error) error {
	return d.dialFrom(ctx, d.site, account, ied, do)
}

// dialFrom is dial for a client of either site.
func (d *demo) dialFrom(ctx context.Context, from *site.Site, account, ied string, do func(context.Context, jid.JID, *site.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, tourTime)
	defer cancel()
	j, err := clientOf(from, account)
	if err != nil {
		return err
	}
	events, err := from.Audit("client", d.auditFailed)
	if err != nil {
		return err
	}
	defer events.Close()
	c, err := from.Dial(ctx, site.Party{JID: j, Logger: d.log, Audit: events}, ied)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, j, c), c.Close(ctx))
}

func (d *demo) visit(ctx context.Context, p plant, first bool) error {
	return d.dial(ctx, ems, p.account, func(ctx context.Context, j jid.JID, c *site.Client) error {
		if first {
			d.showSecurity(j, c)
		}
		peer := client.New(c)
		if err := d.read(ctx, p.account, peer, readings[p.account]...); err != nil || !first {
			return err
		}
		return d.write(ctx, p.account, peer)
	})
}

// showSecurity prints what protects the way to the IED: hop by hop, and end to end.
func (d *demo) showSecurity(j jid.JID, c *site.Client) {
	info := c.Endpoint.Session().Info()
	d.print("\nClient     %v, %s\n", j, strings.Join(clients[ems], " and "))
	d.print("E2M        %s, %s, SASL %s\n", tls.VersionName(info.TLS.Version), tls.CipherSuiteName(info.TLS.CipherSuite), info.Mechanism)
	d.print("           the broker is   %s\n", certificate(info.Peer.Leaf()))
	d.print("           the client is   %s\n", certificate(info.Local))
	if end, ok := c.Link.Info(); ok {
		d.print("E2E        %s, %s, %s, association %s\n", end.Signature, end.Group, end.Protection, end.AssoID)
		d.print("           the IED is      %s\n", certificate(end.Peer))
		d.print("           the client is   %s\n", certificate(end.Local))
	}
}

// certificate says whose a certificate is, who vouches for it, and for how long.
func certificate(c *x509.Certificate) string {
	return fmt.Sprintf("%-22s of %s, until %s", site.CertificateName(c), c.Issuer.CommonName, c.NotAfter.Local().Format(time.DateOnly))
}

func (d *demo) read(ctx context.Context, account string, peer *client.Client, names ...string) error {
	refs := make([]acsi.Ref, len(names))
	for i, name := range names {
		refs[i] = acsi.MustRef(name)
	}
	got, err := peer.Read(ctx, refs...)
	if err != nil {
		return err
	}
	for _, r := range got {
		if r.Err != nil {
			return fmt.Errorf("%v: %w", r.Ref, r.Err)
		}
	}
	d.print("\nRead       from %s as %s\n", account, ems)
	return client.Print(d.out, got, client.Style{})
}

func (d *demo) write(ctx context.Context, account string, peer *client.Client) error {
	text := setting.String() + "=" + limit
	a, err := peer.ParseAssignment(ctx, text)
	if err != nil {
		return err
	}
	errs, err := peer.Set(ctx, a)
	if err = errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("write %s: %w", text, err)
	}
	d.print("\nWrite      to %s as %s: %s, done\n", account, ems, text)
	return d.read(ctx, account, peer, setting.String())
}

// refusal shows that a VIEWER reads and does not write.
func (d *demo) refusal(ctx context.Context) error {
	return d.dial(ctx, guest, "pv1", func(ctx context.Context, j jid.JID, c *site.Client) error {
		return d.refused(ctx, c, fmt.Sprintf("pv1 as %s, %s", guest, strings.Join(clients[guest], " and ")))
	})
}

// refused has a client write what it may not; it fails unless that is refused.
func (d *demo) refused(ctx context.Context, c *site.Client, who string) error {
	peer := client.New(c)
	text := setting.String() + "=0"
	a, err := peer.ParseAssignment(ctx, text)
	if err != nil {
		return err
	}
	errs, err := peer.Set(ctx, a)
	if err != nil {
		return err
	}
	if !errors.Is(errs[0], &acsi.Error{Code: acsi.ObjectAccessDenied}) {
		return fmt.Errorf("a write of %s to %s was not refused: %v", text, who, errs[0])
	}
	d.print("\nRefused    to %s: %s, %v\n", who, text, errs[0])
	return nil
}

// showAuthorities prints the two roots, which share nothing.
func (d *demo) showAuthorities() error {
	label := "Roots"
	for _, h := range []string{"e2m", "e2e"} {
		text, err := os.ReadFile(d.site.Path("pki", h, "root.crt"))
		if err != nil {
			return err
		}
		c, err := site.Certificate(text)
		if err != nil {
			return err
		}
		d.print("%-10s %s, until %s\n", label, c.Subject.CommonName, c.NotAfter.Local().Format(time.DateOnly))
		label = ""
	}
	return nil
}

// routed is what the broker sees of the payloads.
type routed struct {
	mu      sync.Mutex
	stanzas int
	octets  int
	needles [][]byte
	found   map[string]bool
}

// lookFor has the broker's view searched for words.
func (r *routed) lookFor(words ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range words {
		r.needles = append(r.needles, []byte(w))
	}
}

// see is shown every stanza that the broker routes.
func (r *routed) see(_ jid.JID, _, payload []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stanzas++
	r.octets += len(payload)
	for _, n := range r.needles {
		if bytes.Contains(payload, n) {
			if r.found == nil {
				r.found = make(map[string]bool)
			}
			r.found[string(n)] = true
		}
	}
}

// report says what the broker saw; it fails where that is more than ciphertext.
func (r *routed) report(d *demo) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for word := range r.found {
		return fmt.Errorf("the broker saw %q in clear", word)
	}
	d.print("\nBroker     routed %d stanzas with %d octets of payload; none of the names above is in them in clear\n", r.stanzas, r.octets)
	return nil
}
