// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breaks one rule of the kernel for each word written to <debugfs>/provoke,
 * so that every detector has something to report.
 */
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

struct ledger {
	struct mutex lock;
	spinlock_t spin;
	u64 balance[8];
	struct timer_list timer;
	struct work_struct work;
};

static DEFINE_MUTEX(books);
static DEFINE_MUTEX(vault);
static DECLARE_RWSEM(archive);
static DEFINE_SPINLOCK(counter);
static DEFINE_SPINLOCK(till);
static spinlock_t unset;
static DECLARE_COMPLETION(never);
static struct ledger *ledger;
static volatile int zero;
static volatile unsigned int many = 40;
static int rates[4] = { 1, 2, 3, 4 };
static char *text;

static struct ledger *new_ledger(void)
{
	struct ledger *l = kzalloc(sizeof(*l), GFP_KERNEL);

	mutex_init(&l->lock);
	spin_lock_init(&l->spin);
	return l;
}

/* Context */

static noinline void audit_sleeping(void)
{
	spin_lock(&counter);
	mutex_lock(&books);
	mutex_unlock(&books);
	spin_unlock(&counter);
}

static noinline void audit_scheduling(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

static noinline void audit_rcu_sleep(void)
{
	rcu_read_lock();
	msleep(1);
	rcu_read_unlock();
}

static noinline void audit_rcu(void)
{
	struct ledger *l = rcu_dereference(ledger);

	pr_info("provoke: %p\n", l);
}

/* Locks */

static noinline void lend_forwards(void)
{
	mutex_lock(&books);
	mutex_lock(&vault);
	mutex_unlock(&vault);
	mutex_unlock(&books);
}

static noinline void lend_backwards(void)
{
	mutex_lock(&vault);
	mutex_lock(&books);
	mutex_unlock(&books);
	mutex_unlock(&vault);
}

static noinline void lend_circular(void)
{
	lend_forwards();
	lend_backwards();
}

static noinline void lend_rwsem(void)
{
	down_read(&archive);
	mutex_lock(&books);
	mutex_unlock(&books);
	up_read(&archive);
	mutex_lock(&books);
	down_write(&archive);
	up_write(&archive);
	mutex_unlock(&books);
}

static noinline void lend_twice(void)
{
	struct ledger *one = new_ledger(), *two = new_ledger();

	mutex_lock(&one->lock);
	mutex_lock(&two->lock);
	mutex_unlock(&two->lock);
	mutex_unlock(&one->lock);
}

static void till_timer(struct timer_list *t)
{
	spin_lock(&till);
	spin_unlock(&till);
}
static DEFINE_TIMER(till_clock, till_timer);

static noinline void lend_softirq(void)
{
	spin_lock(&till);
	spin_unlock(&till);
	mod_timer(&till_clock, jiffies + 1);
	msleep(200);
}

static noinline void lend_hardirq(void *unused)
{
	spin_lock(&counter);
	spin_unlock(&counter);
}

static noinline void lend_inversion(void)
{
	unsigned long flags;

	/* counter is taken in interrupts, till never with them off. */
	local_irq_save(flags);
	lockdep_hardirq_enter();
	lend_hardirq(NULL);
	lockdep_hardirq_exit();
	local_irq_restore(flags);
	spin_lock_irqsave(&counter, flags);
	spin_lock(&till);
	spin_unlock(&till);
	spin_unlock_irqrestore(&counter, flags);
	spin_lock(&till);
	spin_unlock(&till);
}

static noinline void lend_unbalanced(void)
{
	mutex_unlock(&books);
}

static noinline void lend_freed(void)
{
	struct ledger *l = new_ledger();

	mutex_lock(&l->lock);
	kfree(l);
}

static noinline void lend_to_user(void)
{
	mutex_lock(&books);
}

static int leaver(void *unused)
{
	mutex_lock(&vault);
	return 0;
}

static noinline void lend_exit(void)
{
	kthread_run(leaver, NULL, "leaver");
	msleep(100);
}

static noinline void lend_unset(void)
{
	spin_lock(&unset);
	spin_unlock(&unset);
}

static noinline void lend_nonstatic(void)
{
	struct ledger *l = kzalloc(sizeof(*l), GFP_KERNEL);

	spin_lock(&l->spin);
	spin_unlock(&l->spin);
	kfree(l);
}

static void lend_work_fn(struct work_struct *w)
{
	mutex_lock(&vault);
}
static DECLARE_WORK(lend_work, lend_work_fn);

static noinline void lend_by_work(void)
{
	schedule_work(&lend_work);
	msleep(200);
}

/* Hangs */

static int holder(void *unused)
{
	mutex_lock(&vault);
	for (;;)
		schedule_timeout_uninterruptible(HZ);
	return 0;
}

static noinline void wait_mutex(void)
{
	kthread_run(holder, NULL, "holder");
	msleep(50);
	mutex_lock(&vault);
}

static noinline void wait_rwsem(void)
{
	down_write(&archive);
	down_read(&archive);
}

static noinline void wait_completion(void)
{
	wait_for_completion(&never);
}

static noinline void spin_here(void)
{
	for (;;)
		cpu_relax();
}

static noinline void stall_preempt(void)
{
	preempt_disable();
	spin_here();
}

static int stall_thread(void *unused)
{
	stall_preempt();
	return 0;
}

static noinline void stall_two(void)
{
	kthread_run(stall_thread, NULL, "stall-one");
	stall_preempt();
}

static noinline void stall_irqs_off(void)
{
	local_irq_disable();
	spin_here();
}

static void stall_timer_fn(struct timer_list *t)
{
	spin_here();
}
static DEFINE_TIMER(stall_timer, stall_timer_fn);

static noinline void stall_in_timer(void)
{
	mod_timer(&stall_timer, jiffies + 1);
	msleep(100000);
}

static void stall_work_fn(struct work_struct *w)
{
	for (;;)
		cond_resched();
}
static DECLARE_WORK(stall_work, stall_work_fn);

static noinline void stall_in_work(void)
{
	schedule_work(&stall_work);
	msleep(100000);
}

/* Memory */

static noinline u64 ledger_total(struct ledger *l)
{
	return READ_ONCE(l->balance[3]);
}

static u64 ledger_first(struct ledger *l)
{
	return READ_ONCE(l->balance[0]) + 1;
}

static noinline void read_freed(void)
{
	struct ledger *l = new_ledger();

	kfree(l);
	pr_info("provoke: %llu\n", ledger_total(l));
}

static noinline void read_freed_inline(void)
{
	struct ledger *l = new_ledger();

	kfree(l);
	pr_info("provoke: %llu\n", ledger_first(l));
}

static noinline void write_freed(void)
{
	struct ledger *l = new_ledger();

	kfree(l);
	WRITE_ONCE(l->balance[1], 7);
}

static noinline void copy_freed(void)
{
	struct ledger *l = new_ledger();

	kfree(l);
	memset(l->balance, 0xa5, sizeof(l->balance));
	msleep(10);
}

static noinline void read_beyond_slab(void)
{
	char *p = kmalloc(100 + zero, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
	pr_info("provoke: %d\n", READ_ONCE(p[120]));
	kfree(p);
}

static noinline void write_beyond_slab(void)
{
	char *p = kmalloc(100 + zero, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(p[128], 1);
	kfree(p);
}

static noinline void read_beyond_global(void)
{
	int *p = rates;

	OPTIMIZER_HIDE_VAR(p);
	pr_info("provoke: %d\n", READ_ONCE(p[6]));
}

static noinline void write_beyond_stack(void)
{
	char here[16];
	char *p = here;

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(p[17], 1);
	OPTIMIZER_HIDE_VAR(p);
}

static noinline void write_beyond_vmalloc(void)
{
	char *p = vmalloc(PAGE_SIZE);

	OPTIMIZER_HIDE_VAR(p);
	WRITE_ONCE(p[PAGE_SIZE], 1);
}

static noinline void free_twice(void)
{
	struct ledger *l = new_ledger();

	kfree(l);
	OPTIMIZER_HIDE_VAR(l);
	kfree(l);
}

static noinline void free_inside(void)
{
	struct ledger *l = new_ledger();

	kfree(l->balance);
}

static noinline void read_null(void)
{
	struct ledger *l = NULL;

	OPTIMIZER_HIDE_VAR(l);
	pr_info("provoke: %llu\n", ledger_total(l));
}

static noinline void write_null(void)
{
	struct ledger *l = NULL;

	OPTIMIZER_HIDE_VAR(l);
	WRITE_ONCE(l->balance[0], 1);
}

static noinline void read_wild(void)
{
	struct ledger *l = (void *)0xdead000000000100;

	OPTIMIZER_HIDE_VAR(l);
	pr_info("provoke: %llu\n", READ_ONCE(l->balance[0]));
}

static noinline void read_unmapped(void)
{
	char *p = (char *)0xffffc8ff00000000;

	OPTIMIZER_HIDE_VAR(p);
	pr_info("provoke: %d\n", *(volatile char *)p);
}

static noinline void call_null(void)
{
	void (*f)(void) = NULL;

	OPTIMIZER_HIDE_VAR(f);
	f();
}

static noinline void divide_by_zero(void)
{
	pr_info("provoke: %d\n", 7 / zero);
}

static noinline void shift_too_far(void)
{
	pr_info("provoke: %d\n", (int)many << many);
}

static noinline void index_too_far(void)
{
	pr_info("provoke: %d\n", rates[many]);
}

static noinline void page_in_use(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	page->mapping = (void *)0x1000;
	__free_page(page);
}

static noinline void page_freed_twice(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	__free_page(page);
	__free_page(page);
}

static noinline void page_assert(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	VM_BUG_ON_PAGE(!PageLocked(page), page);
}

static noinline void page_warn(void)
{
	struct page *page = alloc_page(GFP_KERNEL);

	VM_WARN_ON_ONCE_PAGE(!PageLocked(page), page);
}

static noinline void mm_assert(void)
{
	VM_BUG_ON_MM(current->mm, current->mm);
}

static noinline void rss_counter(void)
{
	add_mm_counter(current->mm, MM_ANONPAGES, 3);
}

static noinline void pte_wild(void)
{
	struct vm_area_struct *vma;
	unsigned long at = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, 0);
	pte_t *pte;
	spinlock_t *ptl;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, at);
	pte = __get_locked_pte(current->mm, at, &ptl);
	set_pte_at(vma->vm_mm, at, pte,
		   pfn_pte(0xfffffff, PAGE_READONLY));
	pte_unmap_unlock(pte, ptl);
	mmap_write_unlock(current->mm);
	vm_munmap(at, PAGE_SIZE);
}

static noinline void too_large(void)
{
	void *p = kmalloc(KMALLOC_MAX_SIZE * 4 + zero, GFP_KERNEL);

	kfree(p);
}

static noinline void timer_freed(void)
{
	struct ledger *l = new_ledger();

	timer_setup(&l->timer, till_timer, 0);
	mod_timer(&l->timer, jiffies + 1000 * HZ);
	kfree(l);
}

static noinline void timer_unset(void)
{
	struct ledger *l = kzalloc(sizeof(*l), GFP_KERNEL);

	mod_timer(&l->timer, jiffies + 1000 * HZ);
}

/* Assertions */

static noinline void check_bug(void)
{
	BUG_ON(!zero);
}

static noinline void check_warn(void)
{
	WARN_ON(!zero);
}

static noinline void check_warn_said(void)
{
	WARN(1, "ledger %p is off by %d\n", ledger, 42);
}

static noinline void check_in_timer_warn(struct timer_list *t)
{
	WARN_ON_ONCE(!zero);
}
static DEFINE_TIMER(warn_timer, check_in_timer_warn);

static noinline void check_timer(void)
{
	mod_timer(&warn_timer, jiffies + 1);
	msleep(200);
}

static noinline void check_in_timer_bug(struct timer_list *t)
{
	BUG_ON(!zero);
}
static DEFINE_TIMER(bug_timer, check_in_timer_bug);

static noinline void check_timer_bug(void)
{
	mod_timer(&bug_timer, jiffies + 1);
	msleep(5000);
}

static void check_work_fn(struct work_struct *w)
{
	WARN_ON(!zero);
}
static DECLARE_WORK(check_work, check_work_fn);

static noinline void check_in_work(void)
{
	schedule_work(&check_work);
	msleep(200);
}

static void check_ipi(void *unused)
{
	WARN_ON(!zero);
}

static noinline void check_other_cpu(void)
{
	smp_call_function(check_ipi, NULL, 1);
}

static noinline void check_panic(void)
{
	panic("the ledger of %d pages is lost", 17);
}

static noinline void fortify_copy(void)
{
	char here[8];
	size_t n = many;

	text = here;
	OPTIMIZER_HIDE_VAR(n);
	memcpy(here, rates, n);
	pr_info("provoke: %s\n", here);
}

/* Two CPUs at once: each thread waits for the other and reports. */

static atomic_t ready;

static void meet(void)
{
	atomic_inc(&ready);
	while (atomic_read(&ready) < 2)
		cpu_relax();
}

static noinline void clash_warn_left(void)
{
	WARN_ON(!zero);
}

static noinline void clash_warn_right(void)
{
	WARN_ON(!zero);
}

static int clash_left(void *how)
{
	int n;

	meet();
	for (n = 0; n < 1; n++)
		clash_warn_left();
	return 0;
}

static int clash_right(void *how)
{
	meet();
	switch ((long)how) {
	case 0:
		clash_warn_right();
		break;
	case 1:
		read_freed();
		break;
	case 2:
		check_bug();
		break;
	case 3:
		index_too_far();
		break;
	case 4:
		audit_sleeping();
		break;
	case 5:
		read_wild();
		break;
	}
	return 0;
}

static void clash(long how)
{
	struct task_struct *one = kthread_create(clash_left, NULL, "clash-left");
	struct task_struct *two = kthread_create(clash_right, (void *)how, "clash-right");

	kthread_bind(one, 0);
	kthread_bind(two, 1);
	wake_up_process(one);
	wake_up_process(two);
	msleep(3000);
}

static void clash_warns(void) { clash(0); }
static void clash_kasan(void) { clash(1); }
static void clash_bug(void) { clash(2); }
static void clash_ubsan(void) { clash(3); }
static void clash_sleep(void) { clash(4); }
static void clash_gpf(void) { clash(5); }

/* A data race for KCSAN. */

static u64 contended;

static noinline void race_add(void)
{
	contended += 3;
}

static noinline void race_read(void)
{
	if (contended == 12345)
		pr_info("provoke: seen\n");
}

static int racer(void *unused)
{
	unsigned long until = jiffies + 20 * HZ;

	while (time_before(jiffies, until)) {
		race_add();
		cond_resched();
	}
	return 0;
}

static noinline void race(void)
{
	unsigned long until = jiffies + 20 * HZ;

	kthread_run(racer, NULL, "racer");
	while (time_before(jiffies, until)) {
		race_read();
		cond_resched();
	}
}

#define WORD(f) { #f, f }
static const struct {
	const char *name;
	void (*run)(void);
} words[] = {
	WORD(audit_sleeping), WORD(audit_scheduling), WORD(audit_rcu_sleep), WORD(audit_rcu),
	WORD(lend_circular), WORD(lend_rwsem), WORD(lend_twice), WORD(lend_softirq),
	WORD(lend_inversion), WORD(lend_unbalanced), WORD(lend_freed), WORD(lend_to_user),
	WORD(lend_exit), WORD(lend_unset), WORD(lend_nonstatic), WORD(lend_by_work),
	WORD(wait_mutex), WORD(wait_rwsem), WORD(wait_completion), WORD(stall_preempt),
	WORD(stall_two), WORD(stall_irqs_off), WORD(stall_in_timer), WORD(stall_in_work),
	WORD(read_freed), WORD(read_freed_inline), WORD(write_freed), WORD(copy_freed),
	WORD(read_beyond_slab), WORD(write_beyond_slab), WORD(read_beyond_global),
	WORD(write_beyond_stack), WORD(write_beyond_vmalloc), WORD(free_twice), WORD(free_inside),
	WORD(read_null), WORD(write_null), WORD(read_wild), WORD(read_unmapped), WORD(call_null),
	WORD(divide_by_zero), WORD(shift_too_far), WORD(index_too_far), WORD(page_in_use),
	WORD(page_freed_twice), WORD(page_assert), WORD(page_warn), WORD(mm_assert),
	WORD(rss_counter), WORD(pte_wild), WORD(too_large), WORD(timer_freed), WORD(timer_unset),
	WORD(check_bug), WORD(check_warn), WORD(check_warn_said), WORD(check_timer),
	WORD(check_timer_bug), WORD(check_in_work), WORD(check_other_cpu), WORD(check_panic),
	WORD(fortify_copy), WORD(clash_warns), WORD(clash_kasan), WORD(clash_bug),
	WORD(clash_ubsan), WORD(clash_sleep), WORD(clash_gpf), WORD(race),
};

static ssize_t provoke_write(struct file *file, const char __user *buf, size_t count, loff_t *at)
{
	char name[40] = "";
	unsigned int i;

	if (count >= sizeof(name) || copy_from_user(name, buf, count))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(strim(name), words[i].name)) {
			words[i].run();
			return count;
		}
	}
	return -EINVAL;
}

static const struct file_operations provoke_fops = {
	.owner = THIS_MODULE,
	.write = provoke_write,
};

static int __init provoke_init(void)
{
	debugfs_create_file("provoke", 0200, NULL, NULL, &provoke_fops);
	return 0;
}
late_initcall(provoke_init);
