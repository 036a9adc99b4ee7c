package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

func (g *global) brokerCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "broker",
		Short: "run the XMPP server of the site",
		Long: `broker serves the site's domain until it is interrupted, and then takes leave of
its clients. They show certificates of the E2M authority, or give passwords that
busbar account has set. It uses no key of the E2E authority, and cannot read
what it routes unless clients and IEDs agree on --e2e clear or off.`,
		Example: `  busbar broker
  busbar broker --listen 0.0.0.0:5222`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkAddress("--listen", listen); err != nil {
				return err
			}
			s, err := g.site()
			if err != nil {
				return err
			}
			events, err := s.Audit("broker", g.auditFailed)
			if err != nil {
				return err
			}
			defer events.Close()
			return s.RunBroker(c.Context(), site.BrokerOptions{
				Listen: listen,
				Logger: g.logger(),
				Audit:  events,
				Ready: func(a net.Addr) {
					fmt.Fprintf(g.stderr, "broker of %s listens on %s\n", s.Domain, a)
				},
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "`HOST:PORT`, where port 0 takes a free one (default: as busbar.yaml says, else 127.0.0.1:5222)")
	return c
}

// auditFailed says that an event could not be recorded.
func (g *global) auditFailed(err error) {
	fmt.Fprintf(g.stderr, "busbar: an audit event is lost: %s\n", oneLine(err.Error()))
}
