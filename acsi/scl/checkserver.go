package scl

import (
	"fmt"
	"strconv"

	"busbar.example/acsi"
)

// checkBlocks checks what the control blocks of ln say beyond what is needed to serve them.
//
// IEC 61850-6, 9.3.8 to 9.3.11.
func (c *checker) checkBlocks(ln *lNode) {
	for _, b := range ln.blocks {
		if len(b.name) > maxBlockName {
			c.finding(ruleLongName, b.line, b.String(), "its name has %d characters", len(b.name))
		}
		if b.element == "ReportControl" {
			c.checkReport(ln, b)
		}
	}
}

func (c *checker) checkReport(ln *lNode, b *controlBlock) {
	instances := b.instances()
	if n, err := strconv.Atoi(b.report.max); b.report.max != "" && (err != nil || n < 1 || n > maxInstances) {
		c.finding(ruleReportInstances, b.line, b.String(), "max=%s", quote(b.report.max))
	} else if n > 1 && !b.report.indexed {
		c.finding(ruleReportInstances, b.line, b.String(), "it has %d instances, and its name no index", n)
	}
	if clients := len(b.report.clients); clients > instances {
		c.finding(ruleReportClients, b.line, b.String(), "it is reserved for %d clients, and has %s", clients, count(instances, "instance"))
	}
	if period, err := strconv.Atoi(b.period); err == nil && period > 0 && b.trgOps&acsi.TrgIntegrity == 0 {
		c.finding(ruleReportPeriod, b.line, b.String(), "intgPd is %d", period)
	}
	const longest = len("$RP$") + len("01$TimeofEntry")
	if n := len(ln.prefix+ln.class+ln.inst) + len(b.name) + longest; n > acsi.MaxItemLen {
		c.finding(ruleLongItem, b.line, b.String(), "a name in it has %d characters in MMS", n)
	}
	if other := c.ids[b.id]; other != nil && b.id != "" {
		c.finding(ruleReportID, b.line, b.String(), "its rptID %s is that of %s in line %d, too", quote(b.id), quote(other.name), other.line)
	}
	c.ids[b.id] = b
}

func count(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprint(n, " ", of)
}
