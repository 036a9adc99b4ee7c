package server

import (
	"context"
	"sync"
	"time"
)

// Tick lets what waits for a time go on. It is called when Next has come, by Run or by who moves the clock.
func (e *Engine) Tick(now time.Time) {
	e.mu.Lock()
	defer e.release()
	e.tickReports(now)
	e.tickControls(now)
	e.tickSettings(now)
	e.tickLogs(now)
	e.tickSchedules(now)
	e.tickSaves(now)
	e.due = time.Time{}
	for _, next := range []time.Time{e.nextReport(), e.nextControl(), e.nextSetting(), e.nextLog(), e.nextSave(), e.nextSchedule()} {
		e.alarm(next)
	}
}

// Next is when Tick is to be called; the zero time: not before something else happens.
func (e *Engine) Next() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.due
}

// alarm sees to it that Tick is called at the time at, unless that is the zero time. It is called with the lock held, by every
// machine that waits for an earlier time than it did.
func (e *Engine) alarm(at time.Time) {
	if !at.IsZero() && (e.due.IsZero() || at.Before(e.due)) {
		e.due = at
		e.wakeRun()
	}
}

// spawn lets Run start task, which ends soon after ctx does. It is called with the lock held.
func (e *Engine) spawn(task func(ctx context.Context)) {
	e.tasks = append(e.tasks, task)
	e.wakeRun()
}

func (e *Engine) wakeRun() {
	select {
	case e.poke <- struct{}{}:
	default:
	}
}

// Run calls Tick whenever it is due and keeps the State, until ctx ends and all that it has started has ended. It is called once.
// Where there is a State, buffered reports wait until it has kept them: without Run none is sent.
func (e *Engine) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	if e.saving.state != nil {
		running.Go(func() { e.runSaves(ctx) })
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for _, task := range e.takeTasks() {
			running.Go(func() { task(ctx) })
		}
		timer.Stop()
		if next := e.Next(); !next.IsZero() {
			timer.Reset(next.Sub(e.cfg.Now()))
		}
		select {
		case <-ctx.Done():
			return
		case <-e.poke:
		case <-timer.C:
			e.Tick(e.cfg.Now())
		}
	}
}

func (e *Engine) takeTasks() []func(context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tasks := e.tasks
	e.tasks = nil
	return tasks
}
