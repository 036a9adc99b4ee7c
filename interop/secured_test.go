//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/selftest"
	"busbar.example/app/site"
	"busbar.example/xmpp"
)

// The secured path works over servers of other makes, which write XML anew in their own way: what is signed or encrypted from end to end
// is still what was sent.
//
// IEC 61850-8-2; IEC 62351-4
func TestSecuredPathOverForeignServers(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			a := newAbroad(t)
			s, err := start(a.options())
			a.connect("", started(t, s, err))
			for _, mode := range []string{"encr", "clear"} {
				t.Run(mode, func(t *testing.T) { securedPath(&abroad{t, a.site}, mode) })
			}
		})
	}
}

func securedPath(a *abroad, mode string) {
	ctx, cancel := context.WithTimeout(a.Context(), 2*time.Minute)
	defer cancel()
	protection, err := site.ParseE2E(mode, nil)
	if err != nil {
		a.Fatal(err)
	}
	party := site.Party{E2E: protection}
	name := "feeder-" + mode
	ied := a.ied(name, site.IEDOptions{Party: party, Files: a.TempDir()})
	c, leave := a.dial(ctx, party, name)

	for _, ref := range []string{"FDR1LD0/XCBR1.Pos[ST]", "FDR1LD0/MMXU1[MX]", "FDR1LD0/LLN0[CF]"} {
		if got, err := c.Read(ctx, acsi.MustRef(ref)); err != nil || got[0].Err != nil {
			a.Errorf("read of %s: %v, %v", ref, got, err)
		}
	}
	if got, err := c.ReadDataSet(ctx, acsi.MustRef("FDR1LD0/LLN0.Switching")); err != nil || len(got) != 8 {
		a.Errorf("read of the data set: %v, %v", got, err)
	}

	// What happens while nobody is there is reported afterwards.
	meter := newCounter(a.T, ied)
	f := &follower{last: meter.value}
	for range 2 {
		reports, err := f.subscribe(ctx, c)
		if err != nil {
			a.Fatal(err)
		}
		meter.count(100)
		f.follow(a.T, reports, meter.value)
		leave()
		meter.count(100)
		c, leave = a.dial(ctx, party, name)
	}

	a.operate(ctx, c, "FDR1LD0/CSWI1.Pos", "off")
	a.operate(ctx, c, "FDR1LD0/CSWI1.Pos", "on")
	a.transfer(ctx, c, 300_000)
}

// operate gives a command to an object that is to be selected before.
func (a *abroad) operate(ctx context.Context, c *client.Client, ref, text string) {
	a.Helper()
	ctl, err := c.Control(ctx, acsi.MustRef(ref))
	if err != nil {
		a.Fatal(err)
	}
	v, err := ctl.ParseValue(text)
	if err != nil {
		a.Fatal(err)
	}
	var steps []client.Step
	err = ctl.Operate(ctx, v, client.Operation{Step: func(s client.Step, _ time.Duration) { steps = append(steps, s) }})
	if err != nil || !slices.Contains(steps, client.Selecting) {
		a.Errorf("%s to %s: %v, after %v", ref, text, err, steps)
	}
}

// transfer puts a file of that many octets, and gets it again.
func (a *abroad) transfer(ctx context.Context, c *client.Client, size int) {
	a.Helper()
	content, random := make([]byte, size), rand.NewChaCha8([32]byte{1})
	random.Read(content)
	if err := c.PutFile(ctx, "record.bin", bytes.NewReader(content), int64(size), nil); err != nil {
		a.Errorf("put of a file: %v", err)
		return
	}
	var got bytes.Buffer
	if _, err := c.GetFile(ctx, "record.bin", 0, &got, nil); err != nil || !bytes.Equal(got.Bytes(), content) {
		a.Errorf("get of a file: %d octets of %d, equal %v: %v", got.Len(), size, bytes.Equal(got.Bytes(), content), err)
	}
}

// Every service of an IED works over servers of other makes.
func TestEveryServiceOverForeignServers(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			a := newAbroad(t)
			s, err := start(a.options())
			a.connect("", started(t, s, err))
			a.ied("fdr1", site.IEDOptions{Files: t.TempDir()})
			c, err := a.site.Dial(ctx, site.Party{}, "fdr1")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(ctx)
			again := func(ctx context.Context) (acsi.Services, error) { return c.Associate(ctx) }
			for r := range selftest.Run(ctx, c, selftest.Config{Associate: again, Write: true, Operate: true, Timeout: time.Minute}) {
				if r.Outcome == selftest.Fail {
					t.Error(r)
				}
			}
			if err := ctx.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who has no certificate for TLS logs in by password, where busbar.yaml allows that without channel binding, which both makes do not have
// for TLS 1.3; with E2E it is who it says nevertheless.
func TestSecuredPathByPassword(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			a := newAbroad(t)
			o := a.options()
			o.Passwords = map[string]string{"ems": "correct horse"}
			s, err := start(o)
			started(t, s, err)
			a.connect("", s)
			a.ied("fdr1", site.IEDOptions{})
			party := site.Party{PasswordFile: filepath.Join(t.TempDir(), "password")}
			if err := os.WriteFile(party.PasswordFile, []byte("correct horse\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := a.site.Dial(ctx, party, "fdr1"); err == nil || !strings.Contains(site.HintFor(err), "allow_unbound") {
				t.Errorf("without allow_unbound: %v, with the hint %q", err, site.HintFor(err))
			}
			a.connect("allow_unbound: true\n", s)
			c, _ := a.dial(ctx, party, "fdr1")
			a.operate(ctx, c, "FDR1LD0/CSWI1.Pos", "off")
		})
	}
}

// A server that takes smaller stanzas than PDUs may become ends the stream; the error says so, and with smaller PDUs all goes well.
func TestForeignServerWithSmallStanzas(t *testing.T) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			a := newAbroad(t)
			o := a.options()
			o.MaxStanza = 48 << 10
			s, err := start(o)
			started(t, s, err)
			a.connect("max_pdu: 16000\n", s)
			a.ied("fdr1", site.IEDOptions{Files: t.TempDir()})
			c, _ := a.dial(ctx, site.Party{}, "fdr1")
			a.transfer(ctx, c, 200_000)

			a.connect("", s)
			a.ied("fdr2", site.IEDOptions{Files: t.TempDir()})
			c, _ = a.dial(ctx, site.Party{}, "fdr2")
			err = c.PutFile(ctx, "record.bin", bytes.NewReader(make([]byte, 200_000)), 200_000, nil)
			ended, ok := errors.AsType[*xmpp.StreamError](err)
			if hint := site.HintFor(err); !ok || ended.Condition != xmpp.PolicyViolation || !strings.Contains(hint, "max_pdu") {
				t.Errorf("with large PDUs: %v, with the hint %q", err, hint)
			}
		})
	}
}
