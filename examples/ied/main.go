// Ied is an IED of one's own, the demo's feeder bay with a heater that clients command: ied [-site DIR] JID SCL
//
// For example: ied -site site fdr1 app/demo/scl/feeder.cid
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/app/site"
	"busbar.example/value"
)

func main() {
	dir := flag.String("site", ".", "site `folder`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := serve(ctx, *dir, flag.Arg(0), flag.Arg(1)); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, dir, name, scl string) error {
	s, err := site.Open(dir)
	if err != nil {
		return err
	}
	account, err := s.Account(name + "/" + site.Resource)
	if err != nil {
		return err
	}
	var ied *server.Engine
	control := func(_ context.Context, c server.Command) acsi.AddCause {
		if c.Phase == server.Executing && c.Ref == acsi.MustRef("FDR1LD0/GGIO1.ISCSO1") {
			stage, _ := c.Value.Int()
			fmt.Println(c.Subject.Name, "sets stage", stage)
			set(ied, "FDR1LD0/GGIO1.ISCSO1.stVal[ST]", c.Value)
			set(ied, "FDR1LD0/MMXU1.TotW.mag.f[MX]", value.Float(float32(stage)*1000))
		}
		return acsi.Done // yes to whatever is asked; acsi.BlockedByInterlocking, say, is a no
	}
	ready := func(r *site.RunningIED) { ied = r.Engine; fmt.Println(account, "is on line") }
	return s.RunIED(ctx, site.IEDOptions{Party: site.Party{JID: account}, SCL: scl, Control: control, Ready: ready})
}

// set changes a value: those who read it see it, and reports and logs tell of it.
func set(ied *server.Engine, ref string, v value.Value) {
	if h, err := ied.Handle(acsi.MustRef(ref)); err == nil {
		ied.Update(func(tx *server.Tx) { _ = tx.Set(h, v) })
	}
}
