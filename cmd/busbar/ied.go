package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"busbar.example/acsi/scl"
	"busbar.example/app/site"
)

func (g *global) iedCommand() *cobra.Command {
	var o site.IEDOptions
	var account string
	var e2e protection
	var listenMMS string
	c := &cobra.Command{
		Use:   "ied --jid JID --scl FILE [--listen-mms ADDR[,tls]]",
		Short: "serve an IED that an SCL file describes",
		Long: `ied makes an IED of an SCL file and serves it until it is interrupted: its whole
model, with the values that the file gives. With --sim the values move as those
of a plant would; with --process a program has them and decides on commands, and
speaks JSON lines on its standard input and output, or a SunSpec device does, as
a mapping file says (see docs/process.md and docs/sunspec.md).

When the session with the broker is lost it comes back by itself, and says so:
see docs/reconnecting.md. With --wait it also waits for a broker that is not
there yet.

New keys, certificates, trust anchors and revocation lists are taken up while it
runs, when their files change or when it gets SIGHUP.

With --listen-mms clients of IEC 61850-8-1 (MMS over TCP) are served too, those
that mms in busbar.yaml gives roles to. Without --jid only they are.`,
		Example: `  busbar ied --jid pv1 --scl pv.cid --sim
  busbar ied --jid pv1 --scl pv.cid --process "exec:python3 inverter.py"
  busbar ied --jid pv1 --scl pv.cid --process sunspec:inverter.yaml
  busbar ied --jid bay7 --scl station.scd --ied AA1J1Q01A1 --ap S1
  busbar ied --jid pv1 --scl pv.cid --listen-mms :102
  busbar ied --scl pv.cid --sim --listen-mms 127.0.0.1:10102`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if account == "" && listenMMS == "" || o.SCL == "" {
				return usagef("ied needs --scl FILE, and --jid JID or --listen-mms ADDR")
			}
			if o.Sim && o.Process != "" {
				return usagef("--sim and --process both have the values: give one of them")
			}
			if err := listenMMSAt(&o, listenMMS, account != ""); err != nil {
				return err
			}
			if err := checkConnect(o.Connect); err != nil {
				return err
			}
			s, err := g.site()
			if err != nil {
				return err
			}
			if o.E2E, err = e2e.on(s); err != nil {
				return err
			}
			if account != "" {
				j, err := s.Account(account)
				if err != nil {
					return err
				}
				if o.JID, err = site.IED(j); err != nil {
					return err
				}
			}
			events, err := s.Audit("ied", g.auditFailed)
			if err != nil {
				return err
			}
			defer events.Close()
			if s.UnprotectedPeers() > 0 {
				g.warnOfMode(o.E2E, "what a peer may do is what busbar.yaml gives to the name that the broker calls it")
			} else {
				g.warnOfMode(o.E2E, "no peer has a role, so none may read anything: unprotected in busbar.yaml gives roles")
			}
			if o.MMS.Address != "" && !s.TakesMMS() {
				g.complain(errors.New("every MMS client will be refused"), "mms in busbar.yaml gives roles: peers to some, anonymous to everybody")
			}
			o.Logger, o.Audit = g.logger(), events
			o.Bell = new(site.Bell)
			defer ringOnHangup(o.Bell)()
			o.Ready = func(running *site.RunningIED) { g.iedReady(&o, running) }
			link := &outages{g: g, who: o.JID.String()}
			o.Down, o.Up = link.down, link.up
			return s.RunIED(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&account, "jid", "", "`JID` of the IED")
	f.StringVar(&o.SCL, "scl", "", "ICD, CID, IID or SCD `file`")
	f.StringVar(&o.Name, "ied", "", "`name` of the IED in the file, where there are several")
	f.StringVar(&o.AP, "ap", "", "`name` of the access point, where several have a server")
	f.BoolVar(&o.Sim, "sim", false, "move the values plausibly")
	f.StringVar(&o.Process, "process", "", "`exec:PROGRAM|sunspec:FILE` that has the values and decides on commands")
	f.StringArrayVar(&o.SNTP, "sntp", nil, "time server `HOST[:PORT]` to go by, without setting the clock; may be repeated")
	f.StringVar(&o.State, "state", "", "`FILE` of what outlives it: buffered reports, data sets, logs, setting groups; \"none\" for nothing (default state/JID.db)")
	f.StringVar(&o.Files, "files", "", "`DIR` of the files to serve")
	e2e.flags(c)
	f.StringVar(&o.Connect, "connect", "", connectUsage)
	f.BoolVar(&o.Wait, "wait", false, "go on trying where the broker does not take it at first")
	f.StringVar(&o.PasswordFile, "password-file", "", passwordUsage)
	f.StringVar(&listenMMS, "listen-mms", "", "`ADDR[,tls]` to serve MMS over TCP at (port 102, or 3782 with TLS, where none is given)")
	f.BoolVar(&o.MMS.Strict, "strict", false, "with --listen-mms: take nothing from clients that the standards do not allow")
	return c
}

// ringOnHangup has SIGHUP ring b until stop is called.
func ringOnHangup(b *site.Bell) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			b.Ring()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
	}
}

// listenMMSAt reads --listen-mms.
func listenMMSAt(o *site.IEDOptions, text string, hasAccount bool) error {
	if text == "" && o.MMS.Strict {
		return usagef("--strict is for --listen-mms")
	}
	if text == "" {
		return nil
	}
	strict := o.MMS.Strict
	var err error
	if o.MMS, err = site.ParseListenMMS(text); err != nil {
		return &usageError{err}
	}
	if o.MMS.Strict = strict; o.MMS.TLS && !hasAccount {
		return usagef("--listen-mms with tls needs --jid JID: the certificate is that of an account")
	}
	return nil
}

func (g *global) iedReady(o *site.IEDOptions, running *site.RunningIED) {
	g.tellFindings(o.SCL, running.Findings)
	counts := running.Model.Counts()
	who := o.JID.String()
	if o.JID.IsZero() {
		who = running.Model.IED
	}
	fmt.Fprintf(g.stderr, "%s is on line: %s of %s, %s, %s, %s\n", who, running.Model.IED, filepath.Base(o.SCL),
		number(counts.LDs, "logical device"), number(counts.LNs, "logical node"), number(counts.AllLeaves(), "value"))
	if running.MMS != nil {
		g.tellMMS(o, running.MMS)
	}
}

// tellMMS says where MMS over TCP is served, and how.
func (g *global) tellMMS(o *site.IEDOptions, at net.Addr) {
	scheme, how := "mms", "without TLS: whoever is on the way reads and alters everything"
	if o.MMS.TLS {
		scheme, how = "mmss", "with TLS"
	}
	fmt.Fprintf(g.stderr, "MMS over TCP at %s://%v, %s\n", scheme, at, how)
}

// tellFindings says what of an IED is not served as its file says, without flooding the terminal.
func (g *global) tellFindings(file string, findings []scl.Finding) {
	const most = 10
	told := 0
	for _, group := range byRule(findings) {
		for _, f := range group {
			if f.Severity == scl.SeverityInfo {
				continue
			}
			if told++; told <= most {
				fmt.Fprintln(g.stderr, findingLine(file, f))
			}
		}
	}
	if told > most {
		fmt.Fprintf(g.stderr, "%s: and %s: see `busbar scl check`\n", oneLine(file), number(told-most, "finding"))
	}
}

func number(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprint(n, " ", of)
}
