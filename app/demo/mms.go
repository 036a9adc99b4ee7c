package demo

import (
	"context"
	"errors"
	"fmt"
	"os"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// What is read over both mappings. It does not move.
var bothWays = []string{"PV1LD0/LPHD1.PhyNam.model[DC]", "PV1LD0/LLN0.Mod.stVal[ST]", "PV1LD0/DGEN1.WMax.setMag.f[SP]", "PV1LD0/MMXU1.TotW.units[CF]", "PV1LD0/MMXU1.TotW.db[CF]"}

// settleMMS lets ems do over TCP what it does over XMPP, by its TLS certificate, and gives the IED a certificate to show.
func (d *demo) settleMMS() error {
	f, err := os.OpenFile(d.site.Path(site.FileName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "\nmms:\n  peers:\n    - {name: %s, certificate: %s@%s, roles: [ENGINEER, OPERATOR]}\n", ems, ems, Domain)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if d.site, err = site.Open(d.site.Dir); err != nil {
		return err
	}
	j, err := d.site.Account(plants[0].account)
	if err != nil {
		return err
	}
	return d.site.IssueMMS(j, []string{"127.0.0.1"}, false)
}

// listenMMS is where an IED serves MMS: the first one does.
func (d *demo) listenMMS(p plant) site.ListenMMS {
	if !d.mms || p != plants[0] {
		return site.ListenMMS{}
	}
	return site.ListenMMS{Address: "127.0.0.1:0", TLS: true}
}

// bothWays reads the same IED over XMPP and over TCP, and fails unless all that it reads is the same.
func (d *demo) bothWays(ctx context.Context) error {
	refs := make([]acsi.Ref, len(bothWays))
	for i, name := range bothWays {
		refs[i] = acsi.MustRef(name)
	}
	ied := plants[0].account
	var overXMPP []client.Reading
	err := d.dial(ctx, ems, ied, func(ctx context.Context, _ jid.JID, c *site.Client) (err error) {
		overXMPP, err = client.New(c).Read(ctx, refs...)
		return err
	})
	if err != nil {
		return err
	}
	return d.dialMMS(ctx, func(ctx context.Context, c *site.Client) error {
		id, err := c.Identify(ctx)
		if err != nil {
			return err
		}
		logical, physical, err := c.Status(ctx, false)
		if err != nil {
			return err
		}
		d.print("\nMMS        %s over TCP with TLS at %v: IEC 61850-8-1, the same IED\n", ied, d.overTCP)
		d.print("           it is %s %s, revision %s, %v, %v\n", id.Vendor, id.Model, id.Revision, logical, physical)
		overTCP, err := client.New(c).Read(ctx, refs...)
		if err != nil {
			return err
		}
		if err := differ(overXMPP, overTCP); err != nil {
			return err
		}
		d.print("\nBoth ways  from %s as %s: over XMPP and over TCP, %d references, all equal\n", ied, ems, len(overTCP))
		return client.Print(d.out, overTCP, client.Style{})
	})
}

// differ reports how what was read over the mappings differs.
func differ(overXMPP, overTCP []client.Reading) error {
	if len(overXMPP) != len(overTCP) {
		return fmt.Errorf("%d values over XMPP, and %d over TCP", len(overXMPP), len(overTCP))
	}
	for i, x := range overXMPP {
		t := overTCP[i]
		if err := errors.Join(x.Err, t.Err); err != nil {
			return fmt.Errorf("%v: %w", x.Ref, err)
		}
		if x.Ref != t.Ref || !x.Value.Equal(t.Value) {
			return fmt.Errorf("%v is %v over XMPP, %v is %v over TCP", x.Ref, x.Value, t.Ref, t.Value)
		}
	}
	return nil
}

// dialMMS connects ems to the IED over TCP and hands it to do.
func (d *demo) dialMMS(ctx context.Context, do func(context.Context, *site.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, tourTime)
	defer cancel()
	j, err := clientOf(d.site, ems)
	if err != nil {
		return err
	}
	target, err := site.ParseMMS(fmt.Sprintf("mmss://%v", d.overTCP))
	if err != nil {
		return err
	}
	party, err := d.site.MMSParty(j, target.TLS)
	if err != nil {
		return err
	}
	events, err := d.site.Audit("client", d.auditFailed)
	if err != nil {
		return err
	}
	defer events.Close()
	party.Audit, party.Logger = events, d.log
	c, err := site.DialMMS(ctx, party, target)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, c), c.Close(ctx))
}
