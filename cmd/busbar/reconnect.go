package main

import (
	"fmt"
	"time"

	"busbar.example/app/site"
)

// outages tells on standard error of a link that is lost, and that it is back.
type outages struct {
	g    *global
	who  string
	said string // last; the same is not said for each try
}

func (o *outages) down(out site.Outage) {
	text := oneLine(out.Err.Error())
	switch {
	case out.Tries == 0:
		fmt.Fprintf(o.g.stderr, "busbar: %s is off line, and comes back by itself: %s\n", o.who, text)
	case text != o.said:
		fmt.Fprintf(o.g.stderr, "busbar: %s is still off line: %s\n", o.who, text)
		if hint := site.HintFor(out.Err); hint != "" {
			fmt.Fprintf(o.g.stderr, "  hint: %s\n", oneLine(hint))
		}
	}
	o.said = text
}

func (o *outages) up(after time.Duration) {
	o.said = ""
	fmt.Fprintf(o.g.stderr, "busbar: %s is on line again, after %v\n", o.who, after.Round(100*time.Millisecond))
}
