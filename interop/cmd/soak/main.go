// Command soak has many clients talk through a broker for a long time while their connections are closed, cut and gone silent at
// random. It fails where a stanza reaches somebody twice, somebody else, or with another content, or where the broker's
// goroutines, descriptors or memory grow.
//
//	soak --busbar bin/busbar --sessions 1000 --time 30m
//
// It prints a line a minute, and at the end what it has found. The status is 1 where anything is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	Busbar   string        // program
	Sessions int           // clients
	Time     time.Duration // in all
	Every    time.Duration // mean time between what one client sends
	Trouble  time.Duration // mean time between two troubles of one client
}

func main() {
	var o options
	flag.StringVar(&o.Busbar, "busbar", "bin/busbar", "the `program` whose broker is tried")
	flag.IntVar(&o.Sessions, "sessions", 1000, "`number` of clients")
	flag.DurationVar(&o.Time, "time", 30*time.Minute, "`time` that it lasts")
	flag.DurationVar(&o.Every, "every", 2*time.Second, "mean `time` between two stanzas of a client")
	flag.DurationVar(&o.Trouble, "trouble", 2*time.Minute, "mean `time` between two troubles of a client's connection")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := soak(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// soak runs the clients until the time is over or ctx ends.
func soak(ctx context.Context, o options) error {
	if o.Sessions < 2 || o.Time < time.Minute {
		return errors.New("it takes two sessions and a minute at least")
	}
	b, err := startBroker(o.Busbar)
	if err != nil {
		return err
	}
	defer b.stop()
	before, err := b.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%d clients for %v at %s: a stanza each %v, a trouble each %v\nbefore: %v\n", o.Sessions, o.Time, b.address, o.Every, o.Trouble, before)
	plant := newPlant(o, b)
	end := plant.start(ctx)
	began := time.Now()
	var settled, last usage
	for minute := time.NewTicker(time.Minute); time.Since(began) < o.Time && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-minute.C:
			if last, err = b.usage(); err != nil {
				end()
				return err
			}
			// What there is once caches and pools are full is what later figures are held against.
			if settled.goroutines == 0 && time.Since(began) > min(o.Time/3, 5*time.Minute) {
				settled = last
			}
			fmt.Printf("%5.0f min: %v; broker: %v\n", time.Since(began).Minutes(), &plant.counts, last)
		}
	}
	end()
	after, err := b.afterwards(before)
	if err != nil {
		return err
	}
	fmt.Printf("afterwards: %v\n%v\n", after, &plant.counts)
	return errors.Join(plant.verdict(), growth("while it ran", settled, last, 1.25), left(before, after))
}
