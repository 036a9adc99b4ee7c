package site

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
)

// How often the log hears of report control blocks: of what they have done, and of one that goes on to lose entries.
const (
	reportsPeriod  = 10 * time.Second
	overflowPeriod = time.Hour
)

// watchReports tells a log what the report control blocks of an engine do, until ctx ends; and then how much that was.
func watchReports(ctx context.Context, engine *server.Engine, log *slog.Logger) {
	watch := reportsWatch{log: log, was: countsOf(engine), warned: map[acsi.Ref]time.Time{}}
	each := time.NewTicker(reportsPeriod)
	defer each.Stop()
	for {
		select {
		case <-ctx.Done():
			watch.was = nil // of each, all that it has done
			watch.look(time.Now(), countsOf(engine))
			return
		case now := <-each.C:
			watch.look(now, countsOf(engine))
		}
	}
}

// reportCounts is what a report control block has done.
type reportCounts struct{ Generated, Sent, Overwritten uint64 }

func countsOf(engine *server.Engine) map[acsi.Ref]reportCounts {
	counts := map[acsi.Ref]reportCounts{}
	for ref, c := range engine.ReportCounts() {
		counts[ref] = reportCounts(c)
	}
	return counts
}

// reportsWatch is what a log has heard of report control blocks.
type reportsWatch struct {
	log    *slog.Logger
	was    map[acsi.Ref]reportCounts
	warned map[acsi.Ref]time.Time // when the log was last told that entries are lost
}

// look tells what has come since it was called last: that entries are lost at once, and then not again for an hour.
func (w *reportsWatch) look(now time.Time, counts map[acsi.Ref]reportCounts) {
	for _, ref := range slices.SortedFunc(maps.Keys(counts), func(a, b acsi.Ref) int { return strings.Compare(a.String(), b.String()) }) {
		c, was := counts[ref], w.was[ref]
		if c == was {
			continue
		}
		w.log.Debug("reports", "block", ref.Path(), "generated", c.Generated, "sent", c.Sent, "overwritten", c.Overwritten)
		if last, ever := w.warned[ref]; c.Overwritten > was.Overwritten && (!ever || now.Sub(last) >= overflowPeriod) {
			w.warned[ref] = now
			w.log.Warn("reports are overwritten that no client has fetched", "block", ref.Path(), "overwritten", c.Overwritten, "sent", c.Sent,
				"hint", "ied: report_buffer in "+FileName+" gives each control block more room")
		}
	}
	w.was = counts
}
