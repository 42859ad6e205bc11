package main

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/runsheet/runsheet/internal/testsvc"
)

const asynqJob = "noop"

// asynqPoll is how often its server looks for jobs when there was none.
const asynqPoll = time.Millisecond

// asynqOn is Asynq on a Redis of its own whose log is synced as often as is said: always
// or everysec.
func asynqOn(appendfsync string) start {
	return func(tb testing.TB) queue {
		tb.Helper()
		r := redisWithLog(tb, appendfsync)
		ctx := context.Background() // that of a test is over before the server stops
		o := r.Options()
		to := asynq.RedisClientOpt{Network: o.Network, Addr: o.Addr, Password: o.Password, DB: o.DB, PoolSize: workers}
		c := asynq.NewClient(to)
		tb.Cleanup(func() {
			if err := c.Close(); err != nil {
				tb.Error(err)
			}
		})
		const pending, active = "asynq:{default}:pending", "asynq:{default}:active"
		return queue{
			add: func(n int) (string, error) {
				info, err := c.EnqueueContext(ctx, asynq.NewTask(asynqJob, []byte(strconv.Itoa(n))))
				if err != nil {
					return "", err
				}
				return info.ID, nil
			},
			waiting: func() ([]string, error) { return r.LRange(ctx, pending, 0, -1).Result() },
			open: func() (bool, error) {
				// In one transaction: a job is never in neither list until it has ended.
				var lengths []*redis.IntCmd
				_, err := r.TxPipelined(ctx, func(p redis.Pipeliner) error {
					lengths = append(lengths, p.LLen(ctx, pending), p.LLen(ctx, active))
					return nil
				})
				if err != nil {
					return false, err
				}
				return lengths[0].Val()+lengths[1].Val() > 0, nil
			},
			work: func(workers int, ran func(n int)) (func() error, error) {
				s := asynq.NewServer(to, asynq.Config{Concurrency: workers, TaskCheckInterval: asynqPoll, LogLevel: asynq.FatalLevel})
				err := s.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
					n, err := strconv.Atoi(string(t.Payload()))
					if err == nil {
						ran(n)
					}
					return err
				}))
				return func() error {
					s.Shutdown()
					return nil
				}, err
			},
		}
	}
}

// redisWithLog is a Redis that writes a log, and a client of it.
func redisWithLog(tb testing.TB, appendfsync string) *redis.Client {
	tb.Helper()
	o, err := redis.ParseURL(testsvc.OwnRedis(tb).URL())
	if err != nil {
		tb.Fatal(err)
	}
	r := redis.NewClient(o)
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
	})
	for _, set := range [][2]string{{"appendfsync", appendfsync}, {"appendonly", "yes"}} {
		if err := r.ConfigSet(tb.Context(), set[0], set[1]).Err(); err != nil {
			tb.Fatal(err)
		}
	}
	// It begins with a copy of all that there is, beside its work.
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		text, err := r.Info(tb.Context(), "persistence").Result()
		if err != nil {
			tb.Fatal(err)
		}
		if strings.Contains(text, "aof_enabled:1") && strings.Contains(text, "aof_rewrite_in_progress:0") && strings.Contains(text, "aof_rewrite_scheduled:0") {
			return r
		}
		if time.Since(began) > patience {
			tb.Fatalf("Redis writes no log:\n%s", text)
		}
	}
}

// BenchmarkAsynqAlways is Asynq on a Redis that syncs its log before it answers.
func BenchmarkAsynqAlways(b *testing.B) { measure(b, workers, asynqOn("always")) }

// BenchmarkAsynqEverySecond is Asynq on a Redis that may lose a second.
func BenchmarkAsynqEverySecond(b *testing.B) { measure(b, workers, asynqOn("everysec")) }
