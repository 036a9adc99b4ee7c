package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

func (g *global) brokerCommand() *cobra.Command {
	var (
		listen, listenPeers string
		check               bool
	)
	c := &cobra.Command{
		Use:   "broker",
		Short: "run the XMPP server of the site",
		Long: `broker serves the site's domain until it is interrupted, and then takes leave of
its clients. They show certificates of the E2M authority, or give passwords that
busbar account has set. It uses no key of the E2E authority, and cannot read
what it routes unless clients and IEDs agree on --e2e clear or off. With the
brokers of the domains that busbar.yaml names it exchanges what its rules allow.

It reads busbar.yaml, its key and certificate, the revocation lists and the
passwords again when they change, or when it gets SIGHUP: all of it counts, or,
where something is wrong, none of it. With --check it only says whether
something is.`,
		Example: `  busbar broker
  busbar broker --listen 0.0.0.0:5222
  busbar broker --check && kill -HUP $(pidof busbar)`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(checkAddress("--listen", listen), checkAddress("--listen-s2s", listenPeers)); err != nil {
				return err
			}
			s, err := g.site()
			if err != nil {
				return err
			}
			if check {
				addresses, err := s.CheckBroker()
				if err != nil {
					return err
				}
				if listen != "" {
					addresses = []string{listen}
				}
				fmt.Fprintf(g.stdout, "%s: nothing is wrong; the broker of %s would listen on %s\n", s.Path(site.FileName), s.Domain, strings.Join(addresses, ", "))
				return nil
			}
			var lost atomic.Uint64
			events, err := s.Audit("broker", func(err error) {
				lost.Add(1)
				g.auditFailed(err)
			})
			if err != nil {
				return err
			}
			defer events.Close()
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			return s.RunBroker(c.Context(), site.BrokerOptions{
				Listen:      listen,
				ListenPeers: listenPeers,
				Reload:      reload,
				Logger:      g.logger(),
				Audit:       events,
				AuditLost:   lost.Load,
				Ready: func(a net.Addr) {
					fmt.Fprintf(g.stderr, "broker of %s listens on %s\n", s.Domain, a)
				},
				ReadyPeers: func(a net.Addr) {
					fmt.Fprintf(g.stderr, "broker of %s listens on %s for those of other domains\n", s.Domain, a)
				},
			})
		},
	}
	c.AddCommand(g.brokerStatus())
	c.Flags().StringVar(&listen, "listen", "", "`HOST:PORT`, where port 0 takes a free one (default: as busbar.yaml says, else 127.0.0.1:5222)")
	c.Flags().StringVar(&listenPeers, "listen-s2s", "", "`HOST:PORT` for the brokers of other domains (default: as busbar.yaml says, else nowhere)")
	c.Flags().BoolVar(&check, "check", false, "read everything, say what is wrong with it, and end")
	return c
}

// auditFailed says that an event could not be recorded.
func (g *global) auditFailed(err error) {
	fmt.Fprintf(g.stderr, "busbar: an audit event is lost: %s\n", oneLine(err.Error()))
}
