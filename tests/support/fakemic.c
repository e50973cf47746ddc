/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Userland ALSA capture "driver" for tests: an ioplug that delivers a raw PCM file in (scaled) real time,
 * and whose faults are injected through a mmap'd control file.
 * cc -O2 -Wall -shared -fPIC -DPIC -o libasound_module_pcm_fakemic.so fakemic.c -lasound
 * asound.conf:
 *   pcm_type.fakemic { lib "/abs/libasound_module_pcm_fakemic.so" }
 *   pcm.mic0 { type fakemic infile "/abs/x.raw" ctl "/abs/mic0.ctl" rate 48000 channels 1 format S16_LE speed 1 hint { show on description "USB Mic" } }
 */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <sys/timerfd.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>
#include <stdint.h>
#include <time.h>
#include <errno.h>

enum { F_NONE, F_XRUN, F_UNPLUG, F_SUSPEND, F_STALL, F_EIO, F_NORESUME, F_BUSY };   /* F_BUSY: open fails, an open stream goes on */
struct ctl { volatile uint32_t fault; volatile uint32_t opens; volatile uint64_t frames; volatile uint32_t starts, xruns, state, rate; };   /* rate: instead of the configured one, from the next open on */

struct mic {
  snd_pcm_ioplug_t io;
  int tfd, ifd;
  struct ctl *c;
  double speed;
  uint64_t t0;        /* ns of start */
  uint64_t base;      /* frames consumed before t0 (after xrun restarts the clock) */
  uint64_t consumed;  /* frames since start handed to the application */
  int running, eof, strict, loop;
};
static uint64_t now_ns(void){ struct timespec t; clock_gettime(CLOCK_MONOTONIC,&t); return t.tv_sec*1000000000ull+t.tv_nsec; }
static void arm(struct mic *m, uint64_t abs_ns){
  struct itimerspec it = {{0,0},{abs_ns/1000000000ull, abs_ns%1000000000ull}};
  if (abs_ns==0) it.it_value.tv_nsec=0;
  timerfd_settime(m->tfd, TFD_TIMER_ABSTIME, &it, NULL);
}
static uint64_t produced(struct mic *m){ return m->running ? (uint64_t)((double)(now_ns()-m->t0)*1e-9*m->io.rate*m->speed) : 0; }
static void arm_next(struct mic *m){
  if (m->c->fault==F_STALL) { arm(m,now_ns()+50000000ull); return; }   /* look again in 50 ms */
  double s = (double)(m->consumed + m->io.period_size)/(m->io.rate*m->speed);
  arm(m, m->t0 + (uint64_t)(s*1e9) + 1);
}
static int mic_start(snd_pcm_ioplug_t *io){ struct mic *m=io->private_data; m->running=1; m->consumed=0; m->t0=now_ns(); m->c->starts++; arm_next(m); return 0; }
static int mic_stop(snd_pcm_ioplug_t *io){ struct mic *m=io->private_data; m->running=0; arm(m,0); return 0; }
static int mic_prepare(snd_pcm_ioplug_t *io){ struct mic *m=io->private_data; if (m->c->fault==F_UNPLUG) return -ENODEV; if (m->c->fault==F_SUSPEND||m->c->fault==F_NORESUME) m->c->fault=F_NONE; m->running=0; m->consumed=0; return 0; }
static int fault(struct mic *m){
  if (!m->running && m->c->fault!=F_UNPLUG) return 0;   /* other faults hit a running stream only */
  switch (m->c->fault) {
    case F_XRUN: m->c->fault=F_NONE; m->c->xruns++; snd_pcm_ioplug_set_state(&m->io, SND_PCM_STATE_XRUN); return -EPIPE;
    case F_UNPLUG: snd_pcm_ioplug_set_state(&m->io, SND_PCM_STATE_DISCONNECTED); return -ENODEV;
    case F_SUSPEND: case F_NORESUME: snd_pcm_ioplug_set_state(&m->io, SND_PCM_STATE_SUSPENDED); return -ESTRPIPE;
    case F_EIO: return -EIO;
  }
  return 0;
}
static snd_pcm_sframes_t mic_pointer(snd_pcm_ioplug_t *io){
  struct mic *m=io->private_data; int e=fault(m); if (e) return e;
  uint64_t p=produced(m), lim=m->consumed+io->buffer_size-1;   /* to ioplug a full ring looks like an empty one */
  if (p>lim) {                       /* the application was late by more than the ring */
    if (m->strict && m->c->fault!=F_STALL) { m->c->xruns++; snd_pcm_ioplug_set_state(io, SND_PCM_STATE_XRUN); return -EPIPE; }
    m->t0 += (uint64_t)((double)(p-lim)/(io->rate*m->speed)*1e9); p=lim;  /* lenient: the virtual clock waits, no data is lost */
  }
  if (m->c->fault==F_STALL) p=m->consumed;
  return p % io->buffer_size;
}
static snd_pcm_sframes_t mic_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *a, snd_pcm_uframes_t off, snd_pcm_uframes_t n){
  struct mic *m=io->private_data; size_t bpf=a[0].step/8; char *d=(char*)a[0].addr+a[0].first/8+off*bpf; size_t want=n*bpf, got=0;
  m->eof=0;                          /* the file may have grown */
  while (got<want && !m->eof) { ssize_t r=read(m->ifd,d+got,want-got); if (r<=0) m->eof = !m->loop || lseek(m->ifd,0,SEEK_SET)<0 || r<0; else got+=r; }
  if (got<want) memset(d+got,0,want-got);          /* silence after the file */
  m->consumed+=n; m->c->frames+=n; arm_next(m); return n;
}
static int mic_revents(snd_pcm_ioplug_t *io, struct pollfd *p, unsigned n, unsigned short *rev){
  struct mic *m=io->private_data; *rev=0;
  if (m->c->fault==F_UNPLUG) { snd_pcm_ioplug_set_state(io, SND_PCM_STATE_DISCONNECTED); *rev=POLLERR|POLLHUP; return 0; }
  if (m->c->fault==F_EIO) return -EIO;
  if (m->c->fault && m->c->fault!=F_BUSY) { if (m->c->fault!=F_STALL) { *rev=POLLERR; return 0; } arm_next(m); return 0; }
  if (!(p[0].revents&POLLIN)) return 0;
  if (produced(m)-m->consumed >= io->period_size) *rev=POLLIN; else arm_next(m);
  return 0;
}
static int mic_resume(snd_pcm_ioplug_t *io){ struct mic *m=io->private_data; if (m->c->fault==F_NORESUME) { m->c->fault=F_NONE; return -ENOSYS; }
  if (m->c->fault==F_SUSPEND) m->c->fault=F_NONE;
  snd_pcm_ioplug_set_state(io, SND_PCM_STATE_PREPARED); return 0; }
static int mic_close(snd_pcm_ioplug_t *io){ struct mic *m=io->private_data; if (m->ifd>=0) close(m->ifd); close(m->tfd); if (m->c) munmap(m->c,4096); free(m); return 0; }
static const snd_pcm_ioplug_callback_t cb = { .start=mic_start,.stop=mic_stop,.pointer=mic_pointer,.transfer=mic_transfer,.close=mic_close,.prepare=mic_prepare,.poll_revents=mic_revents,.resume=mic_resume };

SND_PCM_PLUGIN_DEFINE_FUNC(fakemic){
  snd_config_iterator_t i,nx; const char *in=NULL,*ctl=NULL,*fmt="S16_LE"; long rate=48000,ch=1,speed=1,strict=0,loop=0;
  snd_config_for_each(i,nx,conf){ snd_config_t *n=snd_config_iterator_entry(i); const char *id; if (snd_config_get_id(n,&id)<0) continue;
    if (!strcmp(id,"comment")||!strcmp(id,"type")||!strcmp(id,"hint")) continue;
    if (!strcmp(id,"infile")) { snd_config_get_string(n,&in); continue; }
    if (!strcmp(id,"ctl")) { snd_config_get_string(n,&ctl); continue; }
    if (!strcmp(id,"format")) { snd_config_get_string(n,&fmt); continue; }
    if (!strcmp(id,"rate")) { snd_config_get_integer(n,&rate); continue; }
    if (!strcmp(id,"channels")) { snd_config_get_integer(n,&ch); continue; }
    if (!strcmp(id,"speed")) { snd_config_get_integer(n,&speed); continue; }
    if (!strcmp(id,"strict")) { snd_config_get_integer(n,&strict); continue; }
    if (!strcmp(id,"loop")) { snd_config_get_integer(n,&loop); continue; }
    SNDERR("fakemic: unknown field %s",id); return -EINVAL; }
  if (stream!=SND_PCM_STREAM_CAPTURE) return -EINVAL;
  if (!in||!ctl) { SNDERR("fakemic: infile and ctl are needed"); return -EINVAL; }
  int fd=open(ctl,O_RDWR|O_CREAT|O_CLOEXEC,0644); if (fd<0) return -errno;
  if (ftruncate(fd,4096)<0) { close(fd); return -errno; }
  struct ctl *c=mmap(NULL,4096,PROT_READ|PROT_WRITE,MAP_SHARED,fd,0); close(fd); if (c==MAP_FAILED) return -errno;
  if (c->fault==F_UNPLUG) { munmap(c,4096); return -ENODEV; }
  if (c->fault==F_BUSY) { munmap(c,4096); return -EBUSY; }
  if (c->rate) rate=c->rate;
  c->opens++;
  struct mic *m=calloc(1,sizeof *m); m->c=c; m->speed=speed; m->strict=strict; m->loop=loop; m->ifd=open(in,O_RDONLY|O_CLOEXEC); if (m->ifd<0) { int e=errno; free(m); return -e; }
  m->tfd=timerfd_create(CLOCK_MONOTONIC,TFD_NONBLOCK|TFD_CLOEXEC);
  m->io.version=SND_PCM_IOPLUG_VERSION; m->io.name="fakemic"; m->io.mmap_rw=0; m->io.callback=&cb; m->io.private_data=m; m->io.poll_fd=m->tfd; m->io.poll_events=POLLIN; m->io.flags=SND_PCM_IOPLUG_FLAG_MONOTONIC;
  int e=snd_pcm_ioplug_create(&m->io,name,stream,mode); if (e<0) { close(m->tfd); close(m->ifd); free(m); return e; }
  unsigned acc[]={SND_PCM_ACCESS_RW_INTERLEAVED}, f[]={snd_pcm_format_value(fmt)};
  if ((e=snd_pcm_ioplug_set_param_list(&m->io,SND_PCM_IOPLUG_HW_ACCESS,1,acc))<0 || (e=snd_pcm_ioplug_set_param_list(&m->io,SND_PCM_IOPLUG_HW_FORMAT,1,f))<0 ||
      (e=snd_pcm_ioplug_set_param_minmax(&m->io,SND_PCM_IOPLUG_HW_RATE,rate,rate))<0 || (e=snd_pcm_ioplug_set_param_minmax(&m->io,SND_PCM_IOPLUG_HW_CHANNELS,ch,ch))<0 ||
      (e=snd_pcm_ioplug_set_param_minmax(&m->io,SND_PCM_IOPLUG_HW_PERIOD_BYTES,64,65536))<0 || (e=snd_pcm_ioplug_set_param_minmax(&m->io,SND_PCM_IOPLUG_HW_PERIODS,2,64))<0) { snd_pcm_ioplug_delete(&m->io); return e; }
  *pcmp=m->io.pcm; return 0;
}
SND_PCM_PLUGIN_SYMBOL(fakemic);
